// SPDX-License-Identifier: MIT OR GPL-2.0
/* What file a program is, and where its bytes come from. Of sensor.c. */
#pragma once

/* path_of writes the path of d within the task's root to the end of e->path, and
 * hashes it. Names are read one by one, so a rename meanwhile may mix two. */
static __always_inline void path_of(struct workspace *work, struct dentry *d, struct vfsmount *vm, struct fs_struct *fs)
{
	struct dentry *root = BPF_CORE_READ(fs, root.dentry), *of = d;
	struct vfsmount *root_mount = BPF_CORE_READ(fs, root.mnt);
	struct mount *m = (void *)vm - bpf_core_field_offset(struct mount, mnt), *up;
	struct exec *e = &work->exec;
	struct dentry *parent;
	bool whole = false;
	u32 at, length;

	work->at = PATH_BYTES;
	for (int i = 0; i < PATH_DEPTH; i++) {
		/* In memory, so that the verifier sees the same at each turn. */
		at = *(volatile u32 *)&work->at;
		if (d == root && vm == root_mount) {
			whole = true;
			break;
		}
		parent = BPF_CORE_READ(d, d_parent);
		if (d == BPF_CORE_READ(vm, mnt_root)) {
			up = BPF_CORE_READ(m, mnt_parent);
			if (up == m) {
				whole = true; /* of a mount that is not below the root */
				break;
			}
			d = BPF_CORE_READ(m, mnt_mountpoint);
			m = up;
			vm = (void *)m + bpf_core_field_offset(struct mount, mnt);
			continue;
		}
		length = BPF_CORE_READ(d, d_name.len);
		if (length > 255 || length + 1 > at)
			break;
		/* The masks say to the verifier what is so already. */
		e->path[(at - length - 1) & (PATH_BYTES - 1)] = d == parent ? ':' : '/';
		bpf_probe_read_kernel(&e->path[(at - length) & (PATH_BYTES - 1)], length & 255, BPF_CORE_READ(d, d_name.name));
		*(volatile u32 *)&work->at = at - length - 1;
		if (d == parent) {
			whole = true; /* in no directory, such as a memfd: hence the ':' */
			break;
		}
		d = parent;
	}
	at = work->at;
	if (!whole) {
		e->flags |= FLAG_PATH_CUT;
		e->inode = BPF_CORE_READ(of, d_inode, i_ino);
	}
	e->program[0] = seed[0];
	e->program[1] = seed[1];
	for (u32 i = 0; i < PATH_BYTES / 8; i++) {
		barrier_var(at); /* else the loop begins where the verifier cannot follow */
		if (i >= at / 8)
			mix(e->program, ((u64 *)e->path)[i]);
	}
}

static __always_inline u32 lower_layers(struct inode *inode, struct dentry *d)
{
	struct ovl_entry___before65 *old = BPF_CORE_READ(d, d_fsdata);
	struct ovl_inode *o;
	u32 n = 0;

	if (bpf_core_field_exists(((struct ovl_inode *)0)->oe)) {
		o = (void *)inode - bpf_core_field_offset(struct ovl_inode, vfs_inode);
		return BPF_CORE_READ(o, oe, __numlower);
	}
	if (bpf_core_field_exists(((struct ovl_entry___before65 *)0)->numlower))
		return BPF_CORE_READ(old, numlower);
	bpf_probe_read_kernel(&n, sizeof(n), (void *)old + 16); /* behind a struct rcu_head */
	return n;
}

/* Whether the types of overlayfs are those before Linux 6.5, which does not describe them:
 * before 5.11 no module's are. Set by the loader. */
volatile const u32 undescribed_overlay = 0;

/* upper_of is where a file's bytes lie when not in the image; 0 when they do. */
static __always_inline struct dentry *upper_of(struct inode *inode)
{
	struct dentry *upper = 0;
	struct ovl_inode *o;

	if (bpf_core_type_exists(struct ovl_inode)) {
		o = (void *)inode - bpf_core_field_offset(struct ovl_inode, vfs_inode);
		return BPF_CORE_READ(o, __upperdentry);
	}
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	return upper;
}

#define OVERLAY_MAGIC 0x794c7630

/* origin_of says where the bytes of a file come from. */
static __always_inline u32 origin_of(struct file *file, struct fs_struct *fs)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct super_block *sb = BPF_CORE_READ(inode, i_sb);

	if (!BPF_CORE_READ(inode, i_nlink))
		return ORIGIN_FILELESS;
	if (sb != BPF_CORE_READ(fs, root.mnt, mnt_sb))
		return ORIGIN_MOUNT;
	if (BPF_CORE_READ(sb, s_magic) != OVERLAY_MAGIC || (!undescribed_overlay && !bpf_core_type_exists(struct ovl_inode)))
		return ORIGIN_UNKNOWN;
	if (!upper_of(inode))
		return ORIGIN_IMAGE;
	return lower_layers(inode, BPF_CORE_READ(file, f_path.dentry)) ? ORIGIN_MODIFIED : ORIGIN_ADDED;
}
