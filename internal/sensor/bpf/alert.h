// SPDX-License-Identifier: MIT OR GPL-2.0
/* What is told at once, with the processes above it. Of sensor.c. */
#pragma once

static __always_inline struct alert *begin_alert(struct key *key, struct task_struct *task, u64 now)
{
	struct alert *a = bpf_ringbuf_reserve(&alerts, sizeof(*a), 0);
	struct task_struct *up = BPF_CORE_READ(task, real_parent);

	if (!a) {
		count(COUNT_ALERTS_LOST);
		return 0;
	}
	a->fact = *key;
	a->time = now;
	a->pid = BPF_CORE_READ(task, tgid);
	for (int i = 0; i < ANCESTORS; i++) {
		struct ancestor *n = &a->ancestors[i];
		struct process *p;
		u32 pid = BPF_CORE_READ(up, tgid); /* on the stack: older kernels take no key from a ring */

		__builtin_memset(n, 0, sizeof(*n));
		if (!pid)
			continue;
		n->pid = pid;
		BPF_CORE_READ_STR_INTO(&n->comm, up, comm);
		p = bpf_map_lookup_elem(&processes, &pid);
		if (p) {
			n->program[0] = p->program[0];
			n->program[1] = p->program[1];
		}
		up = BPF_CORE_READ(up, real_parent);
	}
	return a;
}

static __always_inline void alert_of_exec(struct key *key, struct exec *e, struct task_struct *task, u64 now)
{
	struct alert *a = begin_alert(key, task, now);

	if (!a)
		return;
	a->uid = e->uid;
	a->origin = e->origin;
	a->flags = e->flags;
	a->policy = e->policy;
	__builtin_memset(&a->flow, 0, sizeof(a->flow));
	__builtin_memcpy(a->path, e->path, sizeof(a->path));
	bpf_ringbuf_submit(a, 0);
}

static __always_inline void alert_of_flow(struct key *key, struct flow *f, struct task_struct *task)
{
	struct alert *a = begin_alert(key, task, f->first);

	if (!a)
		return;
	a->uid = a->origin = a->flags = 0;
	a->policy = f->policy;
	a->flow = *f;
	__builtin_memset(a->path, 0, sizeof(a->path));
	bpf_ringbuf_submit(a, 0);
}
