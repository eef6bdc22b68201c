/*
 * mask.c - the part of sigsetjmp and siglongjmp that is about the signal mask.
 *
 * While a handler runs its signal is blocked, and sigreturn would unblock it.
 * Who jumps out of the handler never comes to sigreturn: the mask has to be put
 * back by hand.
 */
#include "int80.h"

void __save_mask(sigjmp_buf where, int save_mask);
void __jump(sigjmp_buf where, int value) __attribute__((noreturn));

void __save_mask(sigjmp_buf where, int save_mask)
{
    where->mask_saved = save_mask;
    if (save_mask)
        sigprocmask(SIG_BLOCK, NULL, &where->mask);
}

void siglongjmp(sigjmp_buf where, int value)
{
    if (where->mask_saved)
        sigprocmask(SIG_SETMASK, &where->mask, NULL);
    __jump(where, value ? value : 1);
}
