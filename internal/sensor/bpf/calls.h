// SPDX-License-Identifier: MIT OR GPL-2.0
/* System calls and capabilities that containers use. Of sensor.c. */
#pragma once

/* Set by the loader: the number of execve, and the functions that ask for a
 * capability without a consequence worth telling, from their first byte to behind
 * their last one. */
volatile const u32 execve_number = 0;
volatile const u64 quiet[8][2] = {};
volatile const u64 loud[2] = {}; /* asks by one of them, and means it */

/* Of ticks, which cost next to nothing: from 16 seconds to some minutes. */
#define EPOCH_SHIFT 14

#define TS_COMPAT 2	    /* x86 */
#define TIF_32BIT (1 << 22) /* arm64 */

static __always_inline u32 is_32_bit(struct task_struct *task)
{
	if (bpf_core_field_exists(task->thread_info.status))
		return OF(task, thread_info.status) & TS_COMPAT ? 1 : 0;
	return OF(task, thread_info.flags) & TIF_32BIT ? 1 : 0;
}

static __always_inline struct task_struct *current_task(void)
{
	return plain ? (struct task_struct *)bpf_get_current_task() : bpf_get_current_task_btf();
}

/* find_thread finds what is kept of a thread, 0 where that is nothing. */
static __always_inline struct thread *find_thread(struct task_struct *task)
{
	u32 number;

	if (!plain)
		return bpf_task_storage_get(&threads, task, 0, 0);
	number = BPF_CORE_READ(task, pid);
	return bpf_map_lookup_elem(&threads, &number);
}

/* make_thread finds it, or makes it; 0 where there is no room. */
static __always_inline struct thread *make_thread(struct task_struct *task)
{
	struct thread *t;
	u32 number;

	if (!plain)
		return bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	number = BPF_CORE_READ(task, pid);
	t = bpf_map_lookup_elem(&threads, &number);
	if (t)
		return t;
	bpf_map_update_elem(&threads, &number, &new_thread, BPF_NOEXIST);
	return bpf_map_lookup_elem(&threads, &number);
}

/* forget_thread is for the end of a thread: its number will be another's. */
static __always_inline void forget_thread(struct task_struct *task)
{
	u32 number;

	if (!plain)
		return;
	number = BPF_CORE_READ(task, pid);
	bpf_map_delete_elem(&threads, &number);
}

/* ids_of mixes the users and groups of a task into one number. */
static __always_inline u64 ids_of(struct task_struct *task)
{
	const struct cred *c = OF(task, cred);
	u64 hash[2] = {};

	mix(hash, (u64)BPF_CORE_READ(c, uid.val) << 32 | BPF_CORE_READ(c, gid.val));
	mix(hash, (u64)BPF_CORE_READ(c, euid.val) << 32 | BPF_CORE_READ(c, egid.val));
	mix(hash, (u64)BPF_CORE_READ(c, suid.val) << 32 | BPF_CORE_READ(c, sgid.val));
	mix(hash, (u64)BPF_CORE_READ(c, fsuid.val) << 32 | BPF_CORE_READ(c, fsgid.val));
	return hash[0] ^ hash[1];
}

/* thread_of finds what is known of the current thread. It is found anew now and
 * then, so that what goes on is seen to go on. */
static __always_inline struct thread *thread_of(struct task_struct *task)
{
	struct thread *t = make_thread(task);
	u64 groups = (u64)OF(task, cgroups);
	u32 epoch = (bpf_jiffies64() >> EPOCH_SHIFT) + 1, pid;
	struct process *p;

	if (!t || (t->epoch == epoch && t->groups == groups))
		return t;
	pid = bpf_get_current_pid_tgid() >> 32;
	p = bpf_map_lookup_elem(&processes, &pid);
	__builtin_memset(t, 0, sizeof(*t));
	if (!p)
		return t; /* and looked for again */
	t->program[0] = p->program[0];
	t->program[1] = p->program[1];
	t->session = p->session;
	t->cgroup = bpf_get_current_cgroup_id();
	t->groups = groups;
	t->root = (u64)BPF_CORE_READ(task, fs, root.mnt, mnt_sb);
	t->ids = ids_of(task);
	t->epoch = epoch;
	return t;
}

static __always_inline enum kept keep_call(u64 cgroup, u32 session, u32 number, u32 narrow)
{
	struct key key = {.cgroup = cgroup, .kind = KIND_SYSCALL, .hash = {number, narrow}, .detail = session};
	struct call call = {};

	call.first = call.last = bpf_ktime_get_boot_ns();
	return keep(&calls, &key, &call, call.first, ROOM_CALLS);
}

/* began follows a thread that runs another program. The call by which a container is
 * entered is one that it cannot do without. */
static __always_inline void began(struct task_struct *task, u64 cgroup, struct process *self, u32 before)
{
	struct thread *t = find_thread(task);

	if (t) {
		t->program[0] = self->program[0];
		t->program[1] = self->program[1];
		if (t->session != self->session)
			t->epoch = 0;
	}
	if (before == SESSION_NONE && self->session != SESSION_NONE)
		keep_call(cgroup, self->session, execve_number, 0);
}

/* forked lets a new process know what the thread knew that made it, so that it need
 * not find out anew. */
static __always_inline void forked(struct task_struct *parent, struct task_struct *child)
{
	struct thread *from = find_thread(parent), *to;

	if (!from || !from->epoch || from->session == SESSION_NONE)
		return;
	to = make_thread(child);
	if (to)
		*to = *from;
}

static __always_inline u32 current_session(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	return p ? p->session : SESSION_NONE;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_call, struct pt_regs *regs, long id)
{
	struct task_struct *task = current_task();
	struct thread *t = thread_of(task);
	u32 number = id, narrow, session, of;
	u64 *word = 0, bit;

	if (!t) /* no memory for what would be known of it */
		session = current_session();
	else
		session = t->session;
	if (session == SESSION_NONE)
		return 0;
	narrow = is_32_bit(task);
	if (t && number < SYSCALLS) {
		of = number;
		barrier_var(of); /* what the comparison says is lost on the way, to older verifiers */
		word = &t->calls[narrow & 1][(of & (SYSCALLS - 1)) / 64];
		bit = 1ULL << (number & 63);
		if (*word & bit)
			return 0;
	}
	/* Beside small numbers there are those of x32, and a few of 32-bit ARM. */
	if ((number & ~0x40000000) >= NUMBERS && (number & ~0xf) != 0xf0000)
		number = NO_NUMBER;
	if (keep_call(bpf_get_current_cgroup_id(), session, number, narrow) != LOST && word)
		*word |= bit;
	return 0;
}

#define FRAMES 8

/* is_quiet says whether the check that is going on is one of those that change next
 * to nothing, such as for whom the last memory is reserved, which each process is
 * asked for. The tracepoint does not say: who called it does. */
static __always_inline bool is_quiet(void *ctx)
{
	u64 frames[FRAMES] = {};
	bool found = false;

	if (!quiet[0][0] || bpf_get_stack(ctx, frames, sizeof(frames), 0) < 0)
		return false;
	for (int i = 0; i < FRAMES; i++) {
		if (frames[i] >= loud[0] && frames[i] < loud[1])
			return false;
		for (int j = 0; j < 8; j++)
			found = found || (frames[i] >= quiet[j][0] && frames[i] < quiet[j][1]);
	}
	return found;
}

/* owns says whether a right over a user namespace is that of the one who made it, or
 * made one above it. */
static __always_inline bool owns(const struct cred *cred, struct user_namespace *target)
{
	struct user_namespace *up;

	for (int i = 0; i < 33 && target != OF(cred, user_ns); i++) { /* there are 33 levels at most */
		up = BPF_CORE_READ(target, parent);
		if (!up)
			return false;
		if (up == OF(cred, user_ns))
			return BPF_CORE_READ(target, owner.val) == OF(cred, euid.val);
		target = up;
	}
	return false;
}

static __always_inline int keep_capability(void *ctx, const struct cred *cred, struct user_namespace *target, int capability, int answer)
{
	struct task_struct *task = current_task();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct key key = {.kind = KIND_CAPABILITY};
	struct call call = {};
	struct process *p;
	u64 *times;

	/* By the rights of others that the kernel borrows, as overlayfs does, it takes no
	 * capability. */
	if (answer || cred != OF(task, real_cred))
		return 0;
	p = bpf_map_lookup_elem(&processes, &pid);
	if (!p || p->session == SESSION_NONE || (p->users && p->users != BPF_CORE_READ(cred, user_ns, ns.inum)))
		return 0;
	key.cgroup = bpf_get_current_cgroup_id();
	key.hash[0] = p->program[0];
	key.hash[1] = p->program[1];
	key.detail = p->session | (u32)capability << DETAIL_SHIFT;
	call.first = call.last = bpf_ktime_get_boot_ns();
	times = bpf_map_lookup_elem(&calls, &key);
	if (!times && (owns(cred, target) || is_quiet(ctx)))
		return 0;
	keep(&calls, &key, &call, call.first, ROOM_CALLS);
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(on_capability, const struct cred *cred, struct user_namespace *target, const struct user_namespace *of, int capability, int answer)
{
	return keep_capability(ctx, cred, target, capability, answer);
}

/* Before Linux 6.14 there is no such tracepoint, but the function that decides. */
SEC("fexit/cap_capable")
int BPF_PROG(on_capable, const struct cred *cred, struct user_namespace *target, int capability, unsigned int options, int answer)
{
	return keep_capability(ctx, cred, target, capability, answer);
}
