/*
 * nested.c - a handler interrupts a handler.
 *
 * Shows that only the signal itself is blocked while its handler runs: another
 * one is delivered in the middle of it, and its frame lies below the first
 * one's on the same stack.  Who does not want that names the other signal in
 * sa_mask: then it is pending until the first handler has returned.
 *
 * Look for: two frames on the user stack at once, one sigreturn after the
 * other, and in the second half SIGUSR2 pending while SIGUSR1's handler runs.
 */
#include "int80.h"

static void say(const char *text)
{
    write(STDOUT_FILENO, text, strlen(text));
}

static void on_usr2(int sig)
{
    (void) sig;
    say("    USR2: begins and ends\n");
}

static void on_usr1(int sig)
{
    (void) sig;
    say("  USR1: begins\n");
    raise(SIGUSR2);
    say("  USR1: ends\n");
}

static void catch(int sig, void (*handler)(int), int also_blocked)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    act.sa_handler = handler;
    if (also_blocked)
        sigaddset(&act.sa_mask, also_blocked);
    sigaction(sig, &act, NULL);
}

int main(void)
{
    catch(SIGUSR2, on_usr2, 0);

    puts("an empty sa_mask:");
    catch(SIGUSR1, on_usr1, 0);
    raise(SIGUSR1);

    puts("SIGUSR2 in sa_mask:");
    catch(SIGUSR1, on_usr1, SIGUSR2);
    raise(SIGUSR1);
    return 0;
}
