// SPDX-License-Identifier: MIT OR GPL-2.0
/* What system calls did, as far as it is of note. Of sensor.c. */
#pragma once

/* What to do when a call returns, by its number: native, 32 bits. Set by the loader. */
volatile const u8 actions[2][SYSCALLS] = {};

MAP(acts, BPF_MAP_TYPE_HASH, struct key, struct act, 8192);
MAP(act_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct act, 1);

/* newest_tracee is the program of the process that a task began to trace last. */
static __always_inline void newest_tracee(struct task_struct *task, u64 program[2])
{
	struct list_head *first = BPF_CORE_READ(task, ptraced.next);
	struct task_struct *tracee = (void *)first - bpf_core_field_offset(struct task_struct, ptrace_entry);
	struct process *p;
	u32 pid;

	if (first == (void *)task + bpf_core_field_offset(struct task_struct, ptraced))
		return;
	pid = BPF_CORE_READ(tracee, tgid);
	p = bpf_map_lookup_elem(&processes, &pid);
	if (p) {
		program[0] = p->program[0];
		program[1] = p->program[1];
	}
}

#define CLONE_NEWTIME 0x80
#define CLONE_NEWNS 0x20000
#define CLONE_NEWCGROUP 0x2000000
#define CLONE_NEWUTS 0x4000000
#define CLONE_NEWIPC 0x8000000
#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWPID 0x20000000
#define CLONE_NEWNET 0x40000000
#define NAMESPACES (CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define MOUNT_FLAGS 0x1e3020ULL /* remount, bind, move, and how events spread */

/* describe_act says what a call did that is of note; false when it did nothing. */
static __always_inline bool describe_act(struct act *a, struct task_struct *task, struct thread *t, struct pt_regs *regs, u32 action, u32 narrow)
{
	u64 first = argument_of(regs, narrow, 0), ids;

	switch (action) {
	case ACTION_PLAIN:
		return true;
	case ACTION_PTRACE:
		a->argument = first;
		if (first == 0) {
			a->target[0] = a->program[0];
			a->target[1] = a->program[1];
			return true;
		}
		if (first != 16 && first != 0x4206)
			return false;
		if (!a->denied)
			newest_tracee(task, a->target);
		return true;
	case ACTION_MOUNT:
		a->argument = argument_of(regs, narrow, 3) & MOUNT_FLAGS;
		bpf_probe_read_user_str(a->path, sizeof(a->path), (void *)argument_of(regs, narrow, 1));
		bpf_probe_read_user_str(a->name, sizeof(a->name), (void *)argument_of(regs, narrow, 2));
		return true;
	case ACTION_MOVE_MOUNT: /* from where, is not told */
		bpf_probe_read_user_str(a->path, sizeof(a->path), (void *)argument_of(regs, narrow, 3));
		return true;
	case ACTION_PATH:
		bpf_probe_read_user_str(a->path, sizeof(a->path), (void *)first);
		return true;
	case ACTION_SECOND:
		a->argument = argument_of(regs, narrow, 1) & NAMESPACES;
		return true;
	case ACTION_CLONE:
	case ACTION_CLONE3: /* what they made, is told when it was made: see forked_apart */
		if (!a->denied || (action == ACTION_CLONE3 && bpf_probe_read_user(&first, sizeof(first), (void *)first)))
			return false;
		/* fallthrough */
	case ACTION_UNSHARE:
		a->argument = first & NAMESPACES;
		return a->argument != 0;
	case ACTION_BPF:
		a->argument = first;
		return first == 5; /* a program is loaded */
	case ACTION_IDS:
		if (a->denied)
			return true;
		ids = ids_of(task);
		if (!t || t->ids == ids)
			return !t;
		t->ids = ids;
		return true;
	}
	return false;
}

static __always_inline void keep_act(struct act *a, u64 cgroup)
{
	struct key key = {.cgroup = cgroup, .kind = KIND_ACT};

	key.hash[0] = seed[1];
	key.hash[1] = seed[0];
	for (u32 i = 2; i < sizeof(*a) / 8; i++) /* all behind the times */
		mix(key.hash, ((u64 *)a)[i]);
	a->first = a->last = bpf_ktime_get_boot_ns();
	keep(&acts, &key, a, a->first, ROOM_ACTS);
}

static __always_inline struct act *new_act(struct who *w, u32 number, u32 narrow)
{
	u32 zero = 0;
	struct act *a = bpf_map_lookup_elem(&act_scratch, &zero);

	if (!a)
		return 0;
	__builtin_memset(a, 0, sizeof(*a));
	a->program[0] = w->program[0];
	a->program[1] = w->program[1];
	a->session = w->session;
	a->number = number;
	a->narrow = narrow;
	return a;
}

/* raised tells of a program that has other users or groups by its file. */
static __always_inline void raised(struct task_struct *task, u64 cgroup, struct process *self)
{
	struct thread *t = find_thread(task);
	struct who w = {.cgroup = cgroup, .program = {self->program[0], self->program[1]}, .session = self->session};
	struct act *a;
	u64 ids;

	if (!t || !t->epoch)
		return;
	ids = ids_of(task);
	if (t->ids == ids)
		return;
	t->ids = ids;
	a = new_act(&w, SETUID_FILE, 0);
	if (a)
		keep_act(a, cgroup);
}

#define APART(field, flag) (BPF_CORE_READ(ours, field) == BPF_CORE_READ(theirs, field) ? 0 : (flag))

/* forked_apart tells of a new task that is not in the namespaces of the one that made
 * it. What a call asked for does not say so: the memory of its arguments is written
 * by others before it returns, by the kernel itself when it is asked to. */
static __always_inline void forked_apart(struct task_struct *parent, struct task_struct *child)
{
	struct nsproxy *ours = OF(parent, nsproxy), *theirs = OF(child, nsproxy);
	struct who w = {};
	u64 apart = 0;
	struct thread *t;
	struct act *a;

	if (BPF_CORE_READ(parent, cred, user_ns) != BPF_CORE_READ(child, cred, user_ns))
		apart = CLONE_NEWUSER;
	if (ours != theirs)
		apart |= APART(mnt_ns, CLONE_NEWNS) | APART(net_ns, CLONE_NEWNET) | APART(pid_ns_for_children, CLONE_NEWPID) | APART(ipc_ns, CLONE_NEWIPC) |
			 APART(uts_ns, CLONE_NEWUTS) | APART(cgroup_ns, CLONE_NEWCGROUP) | APART(time_ns_for_children, CLONE_NEWTIME);
	if (!apart)
		return;
	t = find_thread(parent);
	if (t && !t->epoch)
		t = 0;
	current_who(&w, t);
	if (w.session == SESSION_NONE)
		return;
	a = new_act(&w, FORKED_APART, 0);
	if (!a)
		return;
	a->argument = apart;
	keep_act(a, w.cgroup);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_return, struct pt_regs *regs, long result)
{
	struct task_struct *task = current_task();
	u32 number = number_of(regs), narrow, action;
	struct thread *t;
	struct who w = {};
	struct act *a;

	if (number >= SYSCALLS)
		return 0;
	narrow = is_32_bit(task);
	action = actions[narrow & 1][number & (SYSCALLS - 1)];
	if (!action)
		return 0;
	t = find_thread(task); /* as it was when the call began */
	if (t && !t->epoch)
		t = 0;
	current_who(&w, t);
	if (w.session == SESSION_NONE)
		return 0;
	if (action >= ACTION_NAME_0) {
		on_name(task, &w, regs, narrow, action, result);
		return 0;
	}
	if (action >= ACTION_OPEN) {
		on_file(task, t, &w, regs, narrow, action, result);
		return 0;
	}
	if (result < 0 && result != -EPERM && result != -EACCES)
		return 0;
	a = new_act(&w, number, narrow);
	if (!a)
		return 0;
	a->denied = result < 0;
	if (describe_act(a, task, t, regs, action, narrow))
		keep_act(a, w.cgroup);
	return 0;
}
