// SPDX-License-Identifier: MIT OR GPL-2.0
/* What containers are allowed: the policies, and what they say of a program and of a
 * peer. Programs of any type may ask; what becomes of the answer is theirs. */
#pragma once

/* Set by the loader; without it none of this is looked at. */
volatile const u32 enforcing = 0;

#define POLICIES 256
#define POLICY_NAME_BYTES 56
#define POLICY_DEPTH 32 /* levels of control groups that are looked at, from the root */

enum mode {
	MODE_OBSERVE,
	MODE_ALERT,
	MODE_ENFORCE,
	MODE_KILL,
};

struct policy {
	u8 executions; /* a mode */
	u8 egress;     /* a mode */
	u8 approved;   /* only what is in executables may run, else what the image holds, and that */
	u8 strict;     /* an origin that is not known is not the image */
	u32 reserved;
	char name[POLICY_NAME_BYTES];
};

struct executable {
	u64 program[2]; /* hash of its path */
	u32 policy;
	u32 origin; /* ORIGIN_ANY for any */
};

#define ORIGIN_ANY 0xff

/* A network and port that may be connected to. Only the address has a prefix: whoever
 * looks asks for the port alone, for any port, and for any protocol. */
struct peer {
	u32 bits;
	u32 policy;
	u16 port;
	u8 protocol;
	u8 family;	/* 4 or 6, so that no network of IPv6 holds those of IPv4 */
	u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

#define PEER_BITS (8 * (sizeof(struct peer) - sizeof(u32)))

/* Breaking glass turns denial into alerts, at once, on the whole machine. */
struct glass {
	u64 broken; /* nanoseconds since boot; 0: it is whole */
	u64 changed;
	u32 user;
	u32 changes;
	char reason[128];
};

/* What the agent that comes next must know. */
struct state {
	u64 seed[2];
	u64 began; /* nanoseconds since boot */
	char session[16];
	u64 lost[KIND_SLOTS]; /* of control groups that are gone */
	u8 build[32];	      /* of the programs and their capacities */
};

MAP(policies, BPF_MAP_TYPE_HASH, u32, struct policy, 2 * POLICIES);
MAP(members, BPF_MAP_TYPE_HASH, u64, u32, 16384); /* the policy of a control group, and of all below it */
MAP(glasses, BPF_MAP_TYPE_ARRAY, u32, struct glass, 1);
MAP(states, BPF_MAP_TYPE_ARRAY, u32, struct state, 1);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct executable);
	__type(value, u8);
} executables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct peer);
	__type(value, u8);
} peers SEC(".maps");

/* What a policy says of something. */
struct verdict {
	u32 policy; /* that does not allow it; 0: nothing is against it */
	u32 mode;   /* what is to become of it */
};

/* policy_of_current finds the policy of the current task: that of its own control group,
 * or of the nearest one above that has one. The levels are counted from the root, so
 * that nobody leaves a policy by going deeper. */
static __always_inline u32 policy_of_current(void)
{
	u32 found = 0, *number;
	u64 id;

	for (int level = 0; level < POLICY_DEPTH; level++) {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			break;
		number = bpf_map_lookup_elem(&members, &id);
		if (number)
			found = *number;
	}
	return found;
}

static __always_inline bool glass_is_broken(void)
{
	u32 zero = 0;
	struct glass *g = bpf_map_lookup_elem(&glasses, &zero);

	return g && g->broken;
}

static __always_inline struct verdict against(u32 number, u32 mode)
{
	struct verdict v = {.policy = number, .mode = mode};

	if (mode > MODE_ALERT && glass_is_broken())
		v.mode = MODE_ALERT;
	return v;
}

/* may_run asks for a program by the hash of its path, and where its bytes come from.
 * whole says that the path is; left, that the task left its container. */
static __always_inline struct verdict may_run(u64 program[2], u32 origin, bool whole, bool left)
{
	struct executable x = {.program = {program[0], program[1]}, .origin = origin};
	struct verdict none = {};
	struct policy *p;
	u32 number;

	if (!enforcing)
		return none;
	number = policy_of_current();
	if (!number)
		return none;
	p = bpf_map_lookup_elem(&policies, &number);
	if (!p || p->executions == MODE_OBSERVE)
		return none;
	if (left)
		return against(number, p->executions);
	x.policy = number;
	if (whole) {
		if (bpf_map_lookup_elem(&executables, &x))
			return none;
		x.origin = ORIGIN_ANY;
		if (bpf_map_lookup_elem(&executables, &x))
			return none;
	}
	if (!p->approved && origin == ORIGIN_IMAGE)
		return none;
	if (origin == ORIGIN_UNKNOWN && !p->approved && !p->strict)
		return against(number, MODE_ALERT);
	return against(number, p->executions);
}

/* may_reach asks for a peer. */
static __always_inline struct verdict may_reach(u8 address[16], u16 port, u8 protocol)
{
	struct peer peer = {.bits = PEER_BITS, .port = port, .protocol = protocol};
	u64 *halves = (u64 *)address;
	struct verdict none = {};
	struct policy *p;

	if (!enforcing)
		return none;
	peer.family = !halves[0] && (u32)halves[1] == bpf_htonl(0xffff) ? 4 : 6;
	peer.policy = policy_of_current();
	if (!peer.policy)
		return none;
	p = bpf_map_lookup_elem(&policies, &peer.policy);
	if (!p || p->egress == MODE_OBSERVE)
		return none;
	__builtin_memcpy(peer.address, address, sizeof(peer.address));
	if (bpf_map_lookup_elem(&peers, &peer))
		return none;
	peer.port = 0;
	if (bpf_map_lookup_elem(&peers, &peer))
		return none;
	peer.protocol = 0;
	if (bpf_map_lookup_elem(&peers, &peer))
		return none;
	return against(peer.policy, p->egress);
}
