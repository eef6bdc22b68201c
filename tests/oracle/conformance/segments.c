#include "conf.h"
#include <asm/ldt.h>
#include <pthread.h>

static __thread int tls = 5;

static int set(struct user_desc *d)
{
	errno = 0;
	int got = syscall(SYS_set_thread_area, d);
	printf("set_thread_area = %d %s, entry %s\n", got, got ? error_name(errno) : "",
	       (int)d->entry_number < 0 ? "-1" : d->entry_number < 6 ? "low" : "given");
	return got;
}

int main(void)
{
	static int data[4] = {11, 22, 33, 44};
	struct user_desc d = {.entry_number = -1, .base_addr = (unsigned)data, .limit = 0xfffff, .seg_32bit = 1,
			      .limit_in_pages = 1, .useable = 1}, e;
	int value = 0, first;
	unsigned short gs;

	__asm__ volatile("mov %%gs, %0" : "=r"(gs));
	printf("gs is a GDT selector of ring 3: %d, tls %d\n", (gs & 7) == 3, tls);
	set(&d);
	first = d.entry_number;
	__asm__ volatile("mov %1, %%fs; mov %%fs:4, %0" : "=r"(value) : "r"(first * 8 + 3));
	printf("fs:4 is %d\n", value);
	d.base_addr += 4;
	set(&d);
	__asm__ volatile("mov %%fs:4, %0" : "=r"(value));
	printf("reloaded or not: %d\n", value == 22 || value == 33);
	__asm__ volatile("mov %1, %%fs; mov %%fs:4, %0" : "=r"(value) : "r"(first * 8 + 3));
	printf("fs:4 is %d\n", value);
	e = (struct user_desc){.entry_number = first};
	R(syscall(SYS_get_thread_area, &e));
	printf("%d %#x %d%d%d%d%d%d\n", e.base_addr == d.base_addr, e.limit, e.seg_32bit, e.contents, e.read_exec_only,
	       e.limit_in_pages, e.seg_not_present, e.useable);
	e.entry_number = 3;
	R(syscall(SYS_get_thread_area, &e));
	R(syscall(SYS_get_thread_area, BAD));
	R(syscall(SYS_set_thread_area, BAD));
	e = d;
	e.entry_number = 3;
	set(&e);
	e.entry_number = 100;
	set(&e);
	e = d;
	e.seg_32bit = 0;
	set(&e);
	e = d;
	e.contents = 2;
	set(&e);
	e = d;
	e.contents = 1;
	set(&e);
	e = d;
	e.seg_not_present = 1;
	set(&e);
	e = d;
	e.entry_number = -1;
	set(&e);
	e.entry_number = -1;
	set(&e);
	e = (struct user_desc){.entry_number = first, .read_exec_only = 1, .seg_not_present = 1};
	set(&e);
	e = (struct user_desc){.entry_number = first};
	R(syscall(SYS_get_thread_area, &e));
	printf("%#x %#x %d%d%d%d%d%d\n", e.base_addr, e.limit, e.seg_32bit, e.contents, e.read_exec_only,
	       e.limit_in_pages, e.seg_not_present, e.useable);
	__asm__ volatile("mov %0, %%fs" : : "r"(0));

	TITLE("limits of segments");
	d.entry_number = first;
	d.base_addr = (unsigned)data;
	d.limit = 7;
	d.limit_in_pages = 0;
	set(&d);
	__asm__ volatile("mov %1, %%fs; mov %%fs:4, %0; mov %2, %%fs" : "=&r"(value) : "r"(first * 8 + 3), "r"(0));
	printf("inside: %d\n", value);

	TITLE("modify_ldt");
	unsigned char ldt[4096];
	S(modify_ldt, 0, ldt, sizeof ldt);
	S(modify_ldt, 0x99, ldt, sizeof ldt);
	S(modify_ldt, 1, &d, 15);
	d.entry_number = 9000;
	S(modify_ldt, 1, &d, sizeof d);
	d.entry_number = 2;
	d.limit = 0xfffff;
	d.limit_in_pages = 1;
	S(modify_ldt, 1, BAD, sizeof d);
	S(modify_ldt, 1, &d, sizeof d);
	__asm__ volatile("mov %1, %%fs; mov %%fs:8, %0; mov %2, %%fs" : "=&r"(value) : "r"(2 * 8 + 7), "r"(0));
	printf("through the LDT: %d\n", value);
	R(syscall(SYS_modify_ldt, 0, ldt, 24));
	printf("%02x%02x %02x\n", ldt[16], ldt[17], ldt[21] | 1);
	CHILD("inherited by fork", {
		__asm__ volatile("mov %1, %%fs; mov %%fs:12, %0; mov %2, %%fs" : "=&r"(value) : "r"(2 * 8 + 7), "r"(0));
		printf("through the child's LDT: %d\n", value);
	});
	d.contents = 3;
	S(modify_ldt, 1, &d, sizeof d);
	d.seg_not_present = 1;
	S(modify_ldt, 0x11, &d, sizeof d);
	d = (struct user_desc){.entry_number = 2, .read_exec_only = 1, .seg_not_present = 1};
	S(modify_ldt, 0x11, &d, sizeof d);
	CHILD("empty entry", __asm__ volatile("mov %0, %%fs" : : "r"(2 * 8 + 7)));
	printf("tls %d\n", tls);
	return 0;
}
