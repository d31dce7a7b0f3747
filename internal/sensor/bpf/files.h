// SPDX-License-Identifier: MIT OR GPL-2.0
/* What containers do with files. Of sensor.c. */
#pragma once

/* Names of files that are told when they are read, up to 15 bytes of each. Set by the
 * loader, as the paths are that they must be found at. */
volatile const u64 watched[32][2] = {};

MAP(files, BPF_MAP_TYPE_HASH, struct key, struct touch, 8192);
MAP(file_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct touch, 1);
/* How many files of a directory a program was told of. */
MAP(directories, BPF_MAP_TYPE_LRU_HASH, struct key, u32, 8192);

static __always_inline bool on_x86(void)
{
	return bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax);
}

static __always_inline u32 number_of(struct pt_regs *regs)
{
	if (on_x86())
		return OF((struct pt_regs___x86 *)regs, orig_ax);
	return OF((struct pt_regs___arm64 *)regs, syscallno);
}

/* argument_of is one of the first five arguments. */
static __always_inline u64 argument_of(struct pt_regs *regs, u32 narrow, int n)
{
	struct pt_regs___x86 *x = (void *)regs;
	struct pt_regs___arm64 *a = (void *)regs;
	u64 v;

	if (!on_x86()) {
		v = n == 0 ? OF(a, orig_x0) : n == 1 ? OF(a, regs[1]) : n == 2 ? OF(a, regs[2]) : n == 3 ? OF(a, regs[3]) : OF(a, regs[4]);
		return narrow ? (u32)v : v;
	}
	if (narrow)
		return (u32)(n == 0 ? OF(x, bx) : n == 1 ? OF(x, cx) : n == 2 ? OF(x, dx) : n == 3 ? OF(x, si) : OF(x, di));
	return n == 0 ? OF(x, di) : n == 1 ? OF(x, si) : n == 2 ? OF(x, dx) : n == 3 ? OF(x, r10) : OF(x, r8);
}

/* Who makes a call. */
struct who {
	u64 cgroup;
	u64 program[2];
	u32 session;
};

static __always_inline void current_who(struct who *w, struct thread *t)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p;

	w->session = SESSION_NONE;
	if (t) {
		w->cgroup = t->cgroup;
		w->session = t->session;
		w->program[0] = t->program[0];
		w->program[1] = t->program[1];
		return;
	}
	w->cgroup = bpf_get_current_cgroup_id();
	p = bpf_map_lookup_elem(&processes, &pid);
	if (p) {
		w->session = p->session;
		w->program[0] = p->program[0];
		w->program[1] = p->program[1];
	}
}

#define FMODE_WRITE 0x2
#define FMODE_PATH 0x4000
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define FILES_OF_DIRECTORY 16 /* of which more than so many are used, it is told as a whole */

/* Kinds of file systems that the kernel makes up: they are no volumes. */
static __always_inline bool is_made_up(u64 magic)
{
	return magic == 0x9fa0 /* proc */ || magic == 0x62656572 /* sysfs */ || magic == 0x63677270 /* cgroup2 */ || magic == 0x27e0eb /* cgroup */ ||
	       magic == 0x1cd1 /* devpts */ || magic == 0x50495045 /* pipe */ || magic == 0x534f434b /* socket */ || magic == 0x19800202 /* mqueue */ ||
	       magic == 0x09041934 /* anonymous inode */;
}

#define S_IFMT 0170000
#define S_IFCHR 0020000

/* is_plain says whether writing to a file is nothing of note: a pipe, a socket, a
 * terminal, /dev/null and its like. */
static __always_inline bool is_plain(struct inode *inode, u64 magic)
{
	u32 device, minor;

	if (magic == 0x50495045 || magic == 0x534f434b)
		return true;
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFCHR)
		return false;
	device = BPF_CORE_READ(inode, i_rdev);
	minor = device & 0xfffff;
	switch (device >> 20) {
	case 1:
		return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
	case 5:
		return true;
	}
	return device >> 20 >= 136 && device >> 20 <= 143;
}

static __always_inline struct file *file_of(struct task_struct *task, u32 fd)
{
	struct files_struct *files = OF(task, files);
	struct fdtable *table = OF(files, fdt);
	struct file **all = OF(table, fd), *file = 0;

	if (fd >= OF(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), &all[fd]);
	return file;
}

/* mix_name mixes the name of a directory entry, of which more than 64 bytes only by
 * their number. */
static __always_inline void mix_name(u64 hash[2], struct dentry *d, u64 name[8])
{
	u32 length = BPF_CORE_READ(d, d_name.len), part = length;
	const unsigned char *from = BPF_CORE_READ(d, d_name.name);

	__builtin_memset(name, 0, 64);
	barrier_var(part); /* what the comparison says is lost on the way, to older verifiers */
	if (length < 64)
		bpf_probe_read_kernel(name, part & 63, from);
	else
		bpf_probe_read_kernel(name, 64, from);
	mix(hash, length);
	for (int i = 0; i < 8; i++) {
		if (i * 8 >= length)
			break;
		mix(hash, name[i]);
	}
}

static __always_inline bool is_watched(u64 name[2])
{
	for (int i = 0; i < 32; i++) {
		if (!watched[i][0])
			return false;
		if (watched[i][0] == name[0] && watched[i][1] == name[1])
			return true;
	}
	return false;
}

/* begin_file is a new fact about a file at d; the path goes from the task's root. */
static __always_inline struct touch *begin_file(struct who *w, struct dentry *d, struct vfsmount *vm, struct fs_struct *fs, u32 access, u32 extent)
{
	u32 zero = 0;
	struct workspace *work = bpf_map_lookup_elem(&exec_scratch, &zero);
	struct touch *f = bpf_map_lookup_elem(&file_scratch, &zero);

	if (!work || !f)
		return 0;
	__builtin_memset(&work->exec, 0, sizeof(work->exec));
	path_of(work, d, vm, fs);
	__builtin_memset(f, 0, sizeof(*f));
	__builtin_memcpy(f->path, work->exec.path + PATH_BYTES - FILE_PATH_BYTES, FILE_PATH_BYTES);
	f->flags = work->exec.flags;
	f->inode = work->exec.inode;
	if (work->exec.path[PATH_BYTES - FILE_PATH_BYTES - 1])
		f->flags |= FLAG_PATH_CUT;
	f->first = f->last = bpf_ktime_get_boot_ns();
	f->program[0] = w->program[0];
	f->program[1] = w->program[1];
	f->session = w->session;
	f->access = access;
	f->extent = extent;
	return f;
}

/* is_crowded says whether a program used so many files of a directory that it is told
 * as a whole, and counts one more. */
static __always_inline bool is_crowded(struct key *directory)
{
	u32 one = 1, *n = bpf_map_lookup_elem(&directories, directory);

	if (!n)
		bpf_map_update_elem(&directories, directory, &one, BPF_ANY);
	else if (*n >= FILES_OF_DIRECTORY)
		return true;
	else
		__sync_fetch_and_add(n, 1);
	return false;
}

static __always_inline bool is_kept(struct key *key)
{
	u64 now, *times = bpf_map_lookup_elem(&files, key);

	if (!times)
		return false;
	now = bpf_ktime_get_boot_ns();
	if (now - times[1] > 1000000000ULL)
		times[1] = now;
	return true;
}

/* keep_file keeps that a file was used, or that files of its directory were. */
static __always_inline void keep_file(struct task_struct *task, struct who *w, struct key *key, struct key *directory, struct file *file, u32 access, u32 extent)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct dentry *d = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *vm = BPF_CORE_READ(file, f_path.mnt);
	struct touch *f;

	if (is_kept(key))
		return;
	if (extent == EXTENT_MOUNT) {
		d = BPF_CORE_READ(vm, mnt_root);
	} else if (access < ACCESS_MAP && is_crowded(directory)) {
		extent = EXTENT_DIRECTORY;
		d = BPF_CORE_READ(d, d_parent);
		*key = *directory;
	}
	f = begin_file(w, d, vm, fs, access, extent);
	if (!f)
		return;
	if (extent == EXTENT_FILE)
		f->origin = origin_of(file, fs);
	keep(&files, key, f, f->first, ROOM_FILES);
}

#define AT_FDCWD ((u32)-100)

MAP(said_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, char[SAID_BYTES], 1);

/* keep_named keeps that a name of a directory was changed. The kernel does not say any
 * more which file it was, so the process is taken at its word. */
static __always_inline void keep_named(struct task_struct *task, struct who *w, u32 at, u64 pointer, u32 access, bool denied)
{
	struct key key = {.cgroup = w->cgroup, .kind = KIND_FILE}, directory;
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct dentry *d = BPF_CORE_READ(fs, root.dentry);
	struct vfsmount *vm = BPF_CORE_READ(fs, root.mnt);
	u32 zero = 0, extent = EXTENT_FILE;
	char *said = bpf_map_lookup_elem(&said_scratch, &zero);
	struct file *file;
	struct touch *f;
	long length;

	if (!said)
		return;
	length = bpf_probe_read_user_str(said, SAID_BYTES, (void *)pointer);
	if (length <= 0)
		return;
	if (said[0] != '/') {
		if (at == AT_FDCWD) {
			d = BPF_CORE_READ(fs, pwd.dentry);
			vm = BPF_CORE_READ(fs, pwd.mnt);
		} else {
			file = file_of(task, at);
			if (!file)
				return;
			d = BPF_CORE_READ(file, f_path.dentry);
			vm = BPF_CORE_READ(file, f_path.mnt);
		}
	}
	key.hash[0] = seed[1] ^ w->program[0];
	key.hash[1] = seed[0] ^ w->program[1];
	mix(key.hash, BPF_CORE_READ(d, d_inode, i_ino));
	mix(key.hash, BPF_CORE_READ(d, d_sb, s_dev));
	key.detail = 1U << 24 | denied << 18 | access << DETAIL_SHIFT | w->session;
	directory = key;
	for (u32 i = 0; i < SAID_BYTES - 1; i++) {
		if (!said[i])
			break;
		mix(key.hash, (u8)said[i]);
		if (said[i] == '/') {
			directory.hash[0] = key.hash[0];
			directory.hash[1] = key.hash[1];
		}
	}
	directory.detail |= EXTENT_DIRECTORY << 16;
	if (is_kept(&key))
		return;
	if (is_crowded(&directory)) {
		if (is_kept(&directory))
			return;
		extent = EXTENT_DIRECTORY;
		key = directory;
	}
	f = begin_file(w, d, vm, fs, access, extent);
	if (!f)
		return;
	__builtin_memcpy(f->said, said, SAID_BYTES);
	/* What was in the buffer before stands behind the end. */
	f->denied = denied;
	if (length == SAID_BYTES)
		f->flags |= FLAG_SAID_CUT;
	keep(&files, &key, f, f->first, ROOM_FILES);
}

#define SETID_BITS 06000
#define EROFS 30
#define EPERM 1
#define EACCES 13

static __always_inline void keep_mode(struct task_struct *task, struct who *w, u32 fd)
{
	struct key key = {.cgroup = w->cgroup, .kind = KIND_FILE}, none = {};
	struct file *file = file_of(task, fd);
	u64 name[8] = {};
	struct dentry *d;

	if (!file)
		return;
	d = BPF_CORE_READ(file, f_path.dentry);
	key.hash[0] = seed[1] ^ w->program[0];
	key.hash[1] = seed[0] ^ w->program[1];
	mix_name(key.hash, d, name);
	mix(key.hash, (u64)d);
	key.detail = ACCESS_SETID << DETAIL_SHIFT | w->session;
	keep_file(task, w, &key, &none, file, ACCESS_SETID, EXTENT_FILE);
}

/* on_name follows calls that change a directory, or the mode of a file. */
static __always_inline void on_name(struct task_struct *task, struct who *w, struct pt_regs *regs, u32 narrow, u32 action, long result)
{
	u64 a = argument_of(regs, narrow, 0), b = argument_of(regs, narrow, 1), c = argument_of(regs, narrow, 2);
	u32 at = AT_FDCWD, access = ACCESS_WRITE;
	bool denied = result < 0;

	if (denied && result != -EPERM && result != -EACCES && result != -EROFS)
		return;
	switch (action) {
	case ACTION_NAME_0:
		break;
	case ACTION_RENAME:
		keep_named(task, w, AT_FDCWD, b, access, denied);
		break;
	case ACTION_NAME_01:
		at = a;
		a = b;
		break;
	case ACTION_RENAMEAT:
		keep_named(task, w, c, argument_of(regs, narrow, 3), access, denied);
		at = a;
		a = b;
		break;
	case ACTION_NAME_1:
		a = b;
		break;
	case ACTION_NAME_12:
		at = b;
		a = c;
		break;
	case ACTION_NAME_23:
		at = c;
		a = argument_of(regs, narrow, 3);
		break;
	case ACTION_CHMOD:
		if (!(b & SETID_BITS))
			return;
		access = ACCESS_SETID;
		break;
	case ACTION_CHMODAT:
		if (!(c & SETID_BITS))
			return;
		access = ACCESS_SETID;
		at = a;
		a = b;
		break;
	case ACTION_FCHMOD:
		if (b & SETID_BITS && !denied)
			keep_mode(task, w, a);
		return;
	default:
		return;
	}
	keep_named(task, w, at, a, access, denied);
}

static __always_inline void on_file(struct task_struct *task, struct thread *t, struct who *w, struct pt_regs *regs, u32 narrow, u32 action, long result)
{
	struct key key = {.cgroup = w->cgroup, .kind = KIND_FILE}, directory;
	struct super_block *sb;
	struct dentry *d, *up;
	struct file *file;
	u64 name[8] = {};
	u32 mode, access = ACCESS_WRITE, extent = EXTENT_FILE, fd = result;

	if (action == ACTION_MAP) {
		access = ACCESS_MAP;
		fd = argument_of(regs, narrow, 4);
		if (!(argument_of(regs, narrow, 2) & PROT_EXEC) || argument_of(regs, narrow, 3) & MAP_ANONYMOUS || (result < 0 && result > -4096))
			return;
	} else if (result < 0) {
		return;
	}
	file = file_of(task, fd);
	if (!file)
		return;
	mode = BPF_CORE_READ(file, f_mode);
	if (mode & FMODE_PATH)
		return;
	d = BPF_CORE_READ(file, f_path.dentry);
	sb = BPF_CORE_READ(d, d_sb);
	if (access == ACCESS_WRITE && !(mode & FMODE_WRITE)) {
		access = ACCESS_READ;
		bpf_probe_read_kernel_str(name, 16, BPF_CORE_READ(d, d_name.name));
		if (!is_watched(name)) {
			/* Of other file systems than the image's it is told that they are read. */
			if ((u64)sb == (t ? t->root : (u64)BPF_CORE_READ(task, fs, root.mnt, mnt_sb)) || is_made_up(BPF_CORE_READ(sb, s_magic)) ||
			    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFCHR)
				return;
			extent = EXTENT_MOUNT;
		}
	} else if (access == ACCESS_WRITE && is_plain(BPF_CORE_READ(file, f_inode), BPF_CORE_READ(sb, s_magic))) {
		return;
	}
	key.hash[0] = seed[1] ^ w->program[0];
	key.hash[1] = seed[0] ^ w->program[1];
	if (extent == EXTENT_FILE)
		mix_name(key.hash, d, name);
	directory = key;
	directory.hash[0] = seed[1] ^ w->program[0];
	directory.hash[1] = seed[0] ^ w->program[1];
	directory.detail = access << DETAIL_SHIFT | w->session;
	if (extent == EXTENT_MOUNT) {
		key = directory;
		mix(key.hash, (u64)BPF_CORE_READ(file, f_path.mnt));
		key.detail |= EXTENT_MOUNT << 16;
	} else {
		up = BPF_CORE_READ(d, d_parent);
		mix(directory.hash, BPF_CORE_READ(sb, s_dev));
		mix(directory.hash, BPF_CORE_READ(up, d_inode, i_ino));
		mix_name(directory.hash, up, name);
		mix_name(directory.hash, BPF_CORE_READ(up, d_parent), name);
		key.detail = directory.detail;
		mix(key.hash, directory.hash[0]);
		mix(key.hash, directory.hash[1]);
		directory.detail |= EXTENT_DIRECTORY << 16;
	}
	keep_file(task, w, &key, &directory, file, access, extent);
}
