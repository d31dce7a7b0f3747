/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What is kept of a machine, and the maps that keep it. User space reads these
 * types through Go twins that bpf2go writes. */
#pragma once

#define PATH_BYTES 512
#define ARGV_BYTES 256
#define GROUP_PATH_BYTES 384
#define ANCESTORS 6
#define PATH_DEPTH 64

enum kind {
	KIND_EXEC,
	KIND_CONNECT,
	KIND_ACCEPT,
	KIND_LISTEN,
	KIND_SYSCALL,
	KIND_CAPABILITY,
	KIND_ACT,
	KIND_FILE,
	KIND_RESOLVE,
	KINDS,
	KIND_GROUP = KINDS, /* of hints only: a control group was made */
};

#define KIND_SLOTS 16 /* a power of two above all kinds */

/* Each room of a control group has a quota of its own, so that strangers who
 * connect to a server cannot use up what is for its executions. */
enum room {
	ROOM_EXEC,
	ROOM_OUT, /* connect and listen */
	ROOM_IN,
	ROOM_CALLS, /* system calls and capabilities */
	ROOM_ACTS,
	ROOM_FILES,
	ROOM_NAMES,
	ROOMS,
};

enum origin {
	ORIGIN_UNKNOWN, /* the root is not an overlay: image and change look alike */
	ORIGIN_IMAGE,
	ORIGIN_ADDED,
	ORIGIN_MODIFIED,
	ORIGIN_FILELESS,
	ORIGIN_MOUNT, /* a mount of its own */
};

enum session {
	SESSION_NONE, /* not in a container */
	SESSION_ENTRY,
	SESSION_JOINED, /* came in from outside later: exec, probe, debug */
};

enum flag {
	FLAG_PATH_CUT = 1 << 0,  /* only the end of the path is kept */
	FLAG_ARGV_CUT = 1 << 1,  /* only the start of the arguments is kept */
	FLAG_ARGV_NONE = 1 << 2, /* the arguments could not be read */
	FLAG_SCRIPT = 1 << 3,    /* the file is the interpreter of a script */
	FLAG_CONTAINED = 1 << 4, /* a mount namespace and a root other than the host's */
	FLAG_ESCAPED = 1 << 5,   /* was contained before, and is not now */
	FLAG_SAID_CUT = 1 << 7,	 /* only the start of what it was called is kept */
	FLAG_OWN_USERS = 1 << 6, /* a user namespace: the user's number means little outside */
	FLAG_DENIED = 1 << 8,	 /* by a policy */
};

struct key {
	u64 cgroup;
	u64 hash[2];
	u32 kind;
	u32 detail; /* of calls: the session, and above it the capability */
};

#define DETAIL_SHIFT 8

/* Times are nanoseconds since boot. The last one may be a second late. */
struct exec {
	u64 first;
	u64 last;
	u64 program[2]; /* hash of path */
	u64 parent[2];  /* hash of the parent's path, zeros when not known */
	u64 inode;	/* only where the path is cut, to tell such files apart */
	u32 uid;
	u32 flags;
	u32 origin;
	u32 session;
	u32 policy; /* that does not allow it; 0 for none */
	u32 argv_bytes;
	char argv[ARGV_BYTES];
	char path[PATH_BYTES]; /* at the end; zeros before it */
};

struct flow {
	u64 first;
	u64 last;
	u64 program[2];
	u8 address[16]; /* of the peer, or bound when listening; IPv4 as ::ffff:a.b.c.d */
	u16 port;	/* of the peer when connecting, own otherwise */
	u8 protocol;
	u8 session;
	u32 policy; /* that does not allow it; 0 for none */
	u32 denied;
	u32 reserved;
};

/* A DNS name that was asked for. */
struct question {
	u64 first;
	u64 last;
	u64 program[2];
	u32 session;
	u32 reserved;
	u8 name[256]; /* labels with their lengths, in lower case; more behind the empty one */
};

struct asker {
	u64 cgroup;
	u64 program[2];
	u32 session;
	u32 reserved;
};

struct group {
	u64 created; /* 0: before the sensor */
	u64 removed; /* 0: lives */
	u64 used[ROOMS];
	u64 lost[KIND_SLOTS]; /* observations that found no room */
	u32 entered;
	u32 path_cut;
	char path[GROUP_PATH_BYTES]; /* within the cgroup v2 tree; empty when not known */
};

/* A system call or a capability, of which the key says all: hash is the number and
 * the machine's word size of a call, the program that used a capability. */
struct call {
	u64 first;
	u64 last;
};

/* Numbers that are told one by one. */
#define SYSCALLS 512
#define NUMBERS 1024
#define NO_NUMBER 0xffffffff /* one that no call has */

/* What to do when a system call returns. */
enum action {
	ACTION_NONE,
	ACTION_PLAIN, /* that it was made says all */
	ACTION_PTRACE,
	ACTION_MOUNT,
	ACTION_MOVE_MOUNT,
	ACTION_PATH,   /* its first argument */
	ACTION_SECOND, /* its second one has namespaces */
	ACTION_UNSHARE, /* its first one */
	ACTION_CLONE,	/* its first one, when it is refused */
	ACTION_CLONE3,
	ACTION_BPF,
	ACTION_IDS,    /* of users and groups, when they change */
	ACTION_OPEN,   /* it returns a descriptor */
	ACTION_MAP,    /* of a descriptor */
	/* It changes a directory: by which arguments for the directory and the name. */
	ACTION_NAME_0,
	ACTION_NAME_01,
	ACTION_NAME_1,
	ACTION_NAME_12,
	ACTION_NAME_23,
	ACTION_RENAME,	 /* both its arguments */
	ACTION_RENAMEAT, /* both names */
	ACTION_CHMOD,	 /* the second one has the mode */
	ACTION_CHMODAT,	 /* the third one */
	ACTION_FCHMOD,	 /* of a descriptor */
};

/* What was done with a file. */
enum access {
	ACCESS_WRITE, /* opened for writing */
	ACCESS_READ,  /* opened otherwise, of what is watched */
	ACCESS_MAP,   /* mapped to be executed */
	ACCESS_SETID, /* it gives who runs it other users or groups from now on */
};

/* What a path stands for. */
enum extent {
	EXTENT_FILE,
	EXTENT_DIRECTORY, /* any file right in it */
	EXTENT_MOUNT,	  /* any file of it */
};

#define FILE_PATH_BYTES 256
#define SAID_BYTES 128

struct touch {
	u64 first;
	u64 last;
	u64 program[2];
	u64 inode; /* only where the path is cut, to tell such files apart */
	u32 flags;
	u8 access;
	u8 extent;
	u8 origin;
	u8 session;
	u8 denied;
	u8 reserved[7];
	char path[FILE_PATH_BYTES]; /* at the end; zeros before it */
	/* What the process called it, where the kernel does not say which file it was; path
	 * is the directory from which that goes. */
	char said[SAID_BYTES];
};

/* Numbers that no call has. */
#define SETUID_FILE SYSCALLS /* the file of a program gave it other users or groups */
#define FORKED_APART (SYSCALLS + 1) /* a new task is in namespaces of its own */

/* Something of note that a system call did, or was not let do. */
struct act {
	u64 first;
	u64 last;
	u64 program[2];
	u64 target[2]; /* hash of the program that it was done to */
	u64 argument;
	u32 number;
	u8 narrow;
	u8 session;
	u8 denied;
	u8 reserved;
	char name[32];
	char path[128];
};

/* What is known of a thread, so that most of its calls cost a look at one bit. */
struct thread {
	u64 groups; /* where the kernel has its control groups: others when it moves */
	u64 cgroup;
	u64 program[2];
	u64 root;  /* the file system of its root */
	u64 ids;   /* of users and groups, mixed */
	u32 epoch; /* it is forgotten with it */
	u32 session;
	u64 calls[2][SYSCALLS / 64]; /* that are kept: native, 32 bits */
};

struct process {
	u64 program[2];
	u32 session;
	u32 users; /* number of the user namespace in which it came into the container; 0: not known */
};

struct listener {
	u64 cgroup;
	u32 port;
	u32 reserved;
};

struct ancestor {
	u32 pid;
	u32 reserved;
	u64 program[2];
	char comm[16];
};

struct alert {
	struct key fact;
	u64 time;
	u32 pid;
	u32 uid;
	u32 origin;
	u32 flags;
	u32 policy;
	u32 reserved;
	struct flow flow; /* of connections, in place of what is of executions */
	struct ancestor ancestors[ANCESTORS];
	char path[PATH_BYTES];
};

enum counter {
	COUNT_HINTS_LOST,
	COUNT_ALERTS_LOST,
	COUNT_GROUPLESS_LOST, /* facts of control groups that found no room */
	COUNT_PROCESSES_LOST, /* processes whose program will not be known */
	COUNT_UNENFORCED,     /* what was to be killed and could not be */
	COUNTERS,
};
