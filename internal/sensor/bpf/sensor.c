// SPDX-License-Identifier: MIT OR GPL-2.0
//
// Facts about a machine, deduplicated where they arise. A hash map keeps each
// fact once; a ring tells user space that there is a new one, and may overflow
// without a loss. What finds no room in a map is counted.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "facts.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Set by the loader. */
volatile const u64 seed[2] = {};
/* Whether what a hook hands over, and the current task, are addresses that must be read by
 * a helper: before Linux 5.12, and in programs of raw tracepoints. There is no storage of
 * tasks then, either. */
volatile const u32 plain = 0;
volatile const u32 quota[ROOMS] = {1024, 1024, 1024, 1024, 1024, 1024, 1024};
volatile const u32 host_mounts = 0; /* inode of the host's mount namespace */
volatile const u64 host_root_inode = 0;
volatile const u32 host_root_device = 0; /* as the kernel encodes it */

/* A name is never written beyond the path, but the verifier cannot know. */
struct workspace {
	struct exec exec;
	char beyond[256];
	u32 at; /* where the path begins */
};

/* Capacities are the loader's to change. */
#define MAP(name, map_type, key_type, value_type, capacity) \
	struct {                                            \
		__uint(type, map_type);                     \
		__type(key, key_type);                      \
		__type(value, value_type);                  \
		__uint(max_entries, capacity);              \
	} name SEC(".maps")

MAP(execs, BPF_MAP_TYPE_HASH, struct key, struct exec, 8192);
MAP(flows, BPF_MAP_TYPE_HASH, struct key, struct flow, 16384);
MAP(groups, BPF_MAP_TYPE_HASH, u64, struct group, 4096);
MAP(processes, BPF_MAP_TYPE_HASH, u32, struct process, 32768);
MAP(calls, BPF_MAP_TYPE_HASH, struct key, struct call, 32768);
MAP(listeners, BPF_MAP_TYPE_HASH, struct listener, struct process, 8192);
MAP(counters, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, COUNTERS);
MAP(exec_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct workspace, 1);
MAP(group_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct group, 1);

#include "enforce.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} hints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} alerts SEC(".maps");

/* So that the object file describes the types, which the Go half is held against. */
struct alert *described_alert __attribute__((unused));
enum kind *described_kind __attribute__((unused));
enum origin *described_origin __attribute__((unused));
enum session *described_session __attribute__((unused));
enum flag *described_flag __attribute__((unused));
enum action *described_action __attribute__((unused));
enum access *described_access __attribute__((unused));
enum extent *described_extent __attribute__((unused));
enum counter *described_counter __attribute__((unused));
enum mode *described_mode __attribute__((unused));

static const struct group new_group = {};
static const struct thread new_thread = {};

/* A field of an object that a hook hands over. */
#define OF(object, field) (plain ? BPF_CORE_READ(object, field) : (object)->field)

static __always_inline void count(u32 counter)
{
	u64 *n = bpf_map_lookup_elem(&counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* Two lanes of 64 bits from a secret seed: whoever names files cannot make two
 * facts meet. User space computes the same. */
static __always_inline void mix(u64 hash[2], u64 word)
{
	hash[0] = (hash[0] ^ word) * 0x9fb21c651e98df25ULL;
	hash[0] ^= hash[0] >> 32;
	hash[1] = (hash[1] + word) * 0xd6e8feb86659fd93ULL;
	hash[1] ^= hash[1] >> 29;
}

static __always_inline struct group *group_of(u64 cgroup)
{
	struct group *g = bpf_map_lookup_elem(&groups, &cgroup);

	if (g)
		return g;
	bpf_map_update_elem(&groups, &cgroup, &new_group, BPF_NOEXIST);
	return bpf_map_lookup_elem(&groups, &cgroup);
}

enum kept { SEEN, NEW, LOST };

/* keep stores a fact that is not there yet. Both kinds of value begin with the
 * times first and last. */
static __always_inline enum kept keep(void *map, struct key *key, void *value, u64 now, enum room room)
{
	u64 *times = bpf_map_lookup_elem(map, key);
	struct group *g;
	long err;

	if (times) {
		/* Not each time: the line of memory is shared. */
		if (now - times[1] > 1000000000ULL)
			times[1] = now;
		return SEEN;
	}
	g = group_of(key->cgroup);
	if (!g) {
		count(COUNT_GROUPLESS_LOST);
		return LOST;
	}
	/* Before Linux 5.12 no addition tells what was there before. So as many processors as
	 * pass here at once may go beyond the quota; what is counted as lost is exact. */
	if (g->used[room] < quota[room]) {
		__sync_fetch_and_add(&g->used[room], 1);
		err = bpf_map_update_elem(map, key, value, BPF_NOEXIST);
		if (!err) {
			if (bpf_ringbuf_output(&hints, key, sizeof(*key), 0))
				count(COUNT_HINTS_LOST);
			return NEW;
		}
		__sync_fetch_and_add(&g->used[room], -1);
		if (err == -17) /* EEXIST: another processor was first */
			return SEEN;
	}
	__sync_fetch_and_add(&g->lost[key->kind & (KIND_SLOTS - 1)], 1);
	return LOST;
}

#include "alert.h"
#include "calls.h"
#include "file.h"
#include "files.h"
#include "acts.h"

/* ---- processes ---- */

static __always_inline bool contained(struct task_struct *task, struct fs_struct *fs)
{
	struct inode *root;

	if (BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == host_mounts)
		return false;
	root = BPF_CORE_READ(fs, root.dentry, d_inode);
	return BPF_CORE_READ(root, i_ino) != host_root_inode || BPF_CORE_READ(root, i_sb, s_dev) != host_root_device;
}

/* own_number is the task's number in its own process namespace. */
static __always_inline u32 own_number(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	struct upid *u = (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);

	return BPF_CORE_READ(u, nr);
}

/* session_of says how the task came into its container. Who is inside stays what
 * he was; who comes from outside is its first process, or one that joins. */
static __always_inline u32 session_of(struct task_struct *task, u64 cgroup, bool inside, u32 before)
{
	struct group *g;

	if (before != SESSION_NONE || !inside)
		return before;
	g = group_of(cgroup);
	/* Of a group that was there before the sensor, the first one may have been missed. */
	if (own_number(task) == 1 || !g || (g->created && !g->entered)) {
		if (g)
			g->entered = 1;
		return SESSION_ENTRY;
	}
	return SESSION_JOINED;
}

static __always_inline void arguments_of(struct exec *e, struct task_struct *task)
{
	u64 start = BPF_CORE_READ(task, mm, arg_start), length = BPF_CORE_READ(task, mm, arg_end) - start;

	if (length > ARGV_BYTES - 1) {
		length = ARGV_BYTES - 1;
		e->flags |= FLAG_ARGV_CUT;
	}
	if (bpf_probe_read_user(e->argv, length & (ARGV_BYTES - 1), (void *)start))
		e->flags |= FLAG_ARGV_NONE;
	else
		e->argv_bytes = length;
}

static __always_inline void hash_exec(struct key *key, struct exec *e)
{
	key->hash[0] = seed[1];
	key->hash[1] = seed[0];
	mix(key->hash, e->program[0]);
	mix(key->hash, e->program[1]);
	mix(key->hash, e->parent[0]);
	mix(key->hash, e->parent[1]);
	mix(key->hash, e->inode);
	mix(key->hash, (u64)e->uid << 32 | e->flags);
	mix(key->hash, (u64)e->origin << 32 | e->session);
	mix(key->hash, e->policy);
	mix(key->hash, e->argv_bytes);
	for (u32 i = 0; i < ARGV_BYTES / 8; i++) {
		if (i * 8 >= e->argv_bytes)
			break;
		mix(key->hash, ((u64 *)e->argv)[i]);
	}
}

/* judge kills the task where its policy has it so. What a runtime does in a container's
 * control group before it enters the container is not the container's doing. */
static __always_inline void judge(struct exec *e)
{
	struct verdict v;

	if (!enforcing || !(e->flags & (FLAG_CONTAINED | FLAG_ESCAPED)))
		return;
	v = may_run(e->program, e->origin, !(e->flags & FLAG_PATH_CUT), e->flags & FLAG_ESCAPED);
	e->policy = v.policy;
	if (v.mode != MODE_KILL)
		return;
	/* It comes at the return to user space: before the first instruction. */
	if (bpf_send_signal(SIGKILL))
		count(COUNT_UNENFORCED);
	else
		e->flags |= FLAG_DENIED;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	u64 cgroup = bpf_get_current_cgroup_id(), now = bpf_ktime_get_boot_ns();
	u32 zero = 0, pid = BPF_CORE_READ(task, tgid), parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	struct workspace *work = bpf_map_lookup_elem(&exec_scratch, &zero);
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct file *file = BPF_CORE_READ(bprm, file);
	struct process self = {}, *known;
	struct key key = {.cgroup = cgroup, .kind = KIND_EXEC};
	u32 before = SESSION_NONE;
	struct exec *e;
	enum kept kept;
	bool inside;

	if (!work)
		return 0;
	e = &work->exec;
	__builtin_memset(e, 0, sizeof(*e));
	e->first = e->last = now;
	e->uid = (u32)bpf_get_current_uid_gid();
	known = bpf_map_lookup_elem(&processes, &pid);
	inside = contained(task, fs);
	if (known) {
		before = known->session;
		self.users = known->users;
	}
	e->session = session_of(task, cgroup, inside, before);
	if (before == SESSION_NONE)
		self.users = BPF_CORE_READ(task, cred, user_ns, ns.inum);
	known = bpf_map_lookup_elem(&processes, &parent_pid);
	if (known) {
		e->parent[0] = known->program[0];
		e->parent[1] = known->program[1];
	}
	e->origin = origin_of(file, fs);
	if (BPF_CORE_READ(bprm, filename) != BPF_CORE_READ(bprm, interp))
		e->flags |= FLAG_SCRIPT;
	if (inside)
		e->flags |= FLAG_CONTAINED;
	else if (e->session != SESSION_NONE)
		e->flags |= FLAG_ESCAPED;
	if (BPF_CORE_READ(task, cred, user_ns, level))
		e->flags |= FLAG_OWN_USERS;
	path_of(work, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt), fs);
	arguments_of(e, task);

	self.program[0] = e->program[0];
	self.program[1] = e->program[1];
	self.session = e->session;
	if (bpf_map_update_elem(&processes, &pid, &self, BPF_ANY))
		count(COUNT_PROCESSES_LOST);
	began(task, cgroup, &self, before);
	if (before != SESSION_NONE)
		raised(task, cgroup, &self);
	judge(e);
	hash_exec(&key, e);
	kept = keep(&execs, &key, e, now, ROOM_EXEC);
	if (kept != SEEN && (e->flags & (FLAG_CONTAINED | FLAG_ESCAPED)) &&
	    (e->policy || e->flags & FLAG_ESCAPED || e->origin == ORIGIN_ADDED || e->origin == ORIGIN_MODIFIED || e->origin == ORIGIN_FILELESS))
		alert_of_exec(&key, e, task, now);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 pid = BPF_CORE_READ(child, pid), tgid = BPF_CORE_READ(child, tgid), from = BPF_CORE_READ(parent, tgid);
	struct process *known, copy;

	forked_apart(parent, child);
	if (pid != tgid)
		return 0; /* a thread */
	known = bpf_map_lookup_elem(&processes, &from);
	if (!known) {
		bpf_map_delete_elem(&processes, &tgid);
		return 0;
	}
	copy = *known;
	if (bpf_map_update_elem(&processes, &tgid, &copy, BPF_ANY))
		count(COUNT_PROCESSES_LOST);
	forked(parent, child);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	forget_thread(task);
	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&processes, &tgid);
	return 0;
}

/* ---- control groups ---- */

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	u32 zero = 0;
	struct group *g = bpf_map_lookup_elem(&group_scratch, &zero);
	struct key hint = {.kind = KIND_GROUP};

	if (!g || BPF_CORE_READ(cgroup, root, hierarchy_id) != 0)
		return 0; /* the unified tree alone counts */
	__builtin_memset(g, 0, sizeof(*g));
	g->created = bpf_ktime_get_boot_ns();
	g->path_cut = bpf_probe_read_kernel_str(g->path, sizeof(g->path), path) == sizeof(g->path);
	if (bpf_map_update_elem(&groups, &id, g, BPF_NOEXIST))
		return 0; /* its facts will be counted, or find it when there is room */
	hint.cgroup = id;
	if (bpf_ringbuf_output(&hints, &hint, sizeof(hint), 0))
		count(COUNT_HINTS_LOST);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct group *g = bpf_map_lookup_elem(&groups, &id);

	if (g && BPF_CORE_READ(cgroup, root, hierarchy_id) == 0)
		g->removed = bpf_ktime_get_boot_ns();
	return 0;
}

#include "network.h"
