// SPDX-License-Identifier: MIT OR GPL-2.0
/* Connections and listening sockets. Of sensor.c. */
#pragma once

#define AF_INET 2
#define AF_INET6 10
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_MPTCP 262

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_LISTEN = 10 };

static __always_inline void v4(struct flow *f, u32 address)
{
	f->address[10] = f->address[11] = 0xff;
	__builtin_memcpy(&f->address[12], &address, 4);
}

static __always_inline enum kept keep_flow(struct key *key, struct flow *f)
{
	u64 *address = (u64 *)f->address;

	f->first = f->last = bpf_ktime_get_boot_ns();
	key->hash[0] = seed[1];
	key->hash[1] = seed[0];
	mix(key->hash, f->program[0]);
	mix(key->hash, f->program[1]);
	mix(key->hash, address[0]);
	mix(key->hash, address[1]);
	mix(key->hash, (u64)f->port << 32 | (u64)f->protocol << 8 | f->session);
	mix(key->hash, (u64)f->policy << 32 | f->denied);
	return keep(&flows, key, f, f->first, key->kind == KIND_ACCEPT ? ROOM_IN : ROOM_OUT);
}

static __always_inline void by_current(struct flow *f, struct process *p)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	p = p ?: bpf_map_lookup_elem(&processes, &pid);
	if (!p)
		return;
	f->program[0] = p->program[0];
	f->program[1] = p->program[1];
	f->session = p->session;
}

static __always_inline u64 cgroup_of(struct sock *sk)
{
	struct sock_cgroup_data___before515 *old;
	struct cgroup *c;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	old = (void *)&sk->sk_cgrp_data;
	c = (void *)BPF_CORE_READ(old, val);
	if ((u64)c & 1) /* cgroup v1 has its numbers there */
		return 0;
	return BPF_CORE_READ(c, kn, id);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_tcp_state, struct sock *sk, int before, int after)
{
	struct listener listener = {};
	struct process *p;
	struct flow f = {.protocol = PROTOCOL_TCP};
	struct key key = {};
	bool peer = after != TCP_LISTEN;
	u16 family;
	u64 cgroup;
	u32 kind;

	if (after == TCP_SYN_SENT)
		kind = KIND_CONNECT;
	else if (after == TCP_LISTEN)
		kind = KIND_LISTEN;
	else if (before == TCP_SYN_RECV && after == TCP_ESTABLISHED)
		kind = KIND_ACCEPT;
	else
		return 0;
	if (BPF_CORE_READ(sk, sk_protocol) != PROTOCOL_TCP)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_INET6) {
		if (peer)
			bpf_core_read(&f.address, sizeof(f.address), &sk->__sk_common.skc_v6_daddr);
		else
			bpf_core_read(&f.address, sizeof(f.address), &sk->__sk_common.skc_v6_rcv_saddr);
	} else if (family == AF_INET) {
		v4(&f, peer ? BPF_CORE_READ(sk, __sk_common.skc_daddr) : BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else {
		return 0;
	}
	f.port = kind == KIND_CONNECT ? bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)) : BPF_CORE_READ(sk, __sk_common.skc_num);
	if (kind != KIND_ACCEPT) {
		cgroup = bpf_get_current_cgroup_id();
		by_current(&f, 0);
		if (kind == KIND_LISTEN) {
			struct process self = {.program = {f.program[0], f.program[1]}, .session = f.session};

			listener.cgroup = cgroup_of(sk);
			listener.port = f.port;
			bpf_map_update_elem(&listeners, &listener, &self, BPF_ANY);
		}
	} else {
		/* This runs for whoever was on the processor when the packet came:
		 * the socket alone knows whose it is. */
		cgroup = cgroup_of(sk);
		listener.cgroup = cgroup;
		listener.port = f.port;
		p = bpf_map_lookup_elem(&listeners, &listener);
		if (p)
			by_current(&f, p);
	}
	key.cgroup = cgroup;
	key.kind = kind;
	keep_flow(&key, &f);
	return 0;
}

#include "names.h"

/* outgoing judges whom a task connects to, or sends a datagram to, by its policy, and
 * keeps it: of TCP only what is not allowed, as connections are kept when they begin. */
static __always_inline int outgoing(struct bpf_sock_addr *ctx, bool six)
{
	struct key key = {.cgroup = bpf_get_current_cgroup_id(), .kind = KIND_CONNECT};
	u32 protocol = ctx->protocol;
	struct flow f = {};
	struct verdict v;

	remember_asker(ctx);
	if (protocol == PROTOCOL_MPTCP)
		protocol = PROTOCOL_TCP;
	f.protocol = protocol;
	if (six) {
		u32 *to = (u32 *)f.address;

		to[0] = ctx->user_ip6[0];
		to[1] = ctx->user_ip6[1];
		to[2] = ctx->user_ip6[2];
		to[3] = ctx->user_ip6[3];
	} else {
		v4(&f, ctx->user_ip4);
	}
	f.port = bpf_ntohs((u16)ctx->user_port);
	v = may_reach(f.address, f.port, f.protocol);
	if (protocol != PROTOCOL_UDP && !v.policy)
		return 1;
	f.policy = v.policy;
	f.denied = v.mode == MODE_ENFORCE;
	by_current(&f, 0);
	if (keep_flow(&key, &f) != SEEN && v.policy)
		alert_of_flow(&key, &f, current_task());
	return !f.denied; /* EPERM */
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	return outgoing(ctx, false);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	return outgoing(ctx, true);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	return outgoing(ctx, false);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	return outgoing(ctx, true);
}
