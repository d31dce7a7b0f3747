// SPDX-License-Identifier: MIT OR GPL-2.0
/* Names that are asked for by DNS. Of sensor.c. */
#pragma once

#define DNS_PORT 53
#define NAME_BYTES 256

MAP(questions, BPF_MAP_TYPE_HASH, struct key, struct question, 8192);
MAP(question_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct question, 1);
/* Sockets that were sent to a DNS server from, by their cookie: who did, and that they
 * were, where the port is translated on the way. */
MAP(asking, BPF_MAP_TYPE_LRU_HASH, u64, struct asker, 8192);

static __always_inline void remember_asker(struct bpf_sock_addr *ctx)
{
	struct asker a = {};
	u64 cookie;
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p;

	if (bpf_ntohs((u16)ctx->user_port) != DNS_PORT)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	p = bpf_map_lookup_elem(&processes, &pid);
	a.cgroup = bpf_get_current_cgroup_id();
	if (p) {
		a.program[0] = p->program[0];
		a.program[1] = p->program[1];
		a.session = p->session;
	}
	bpf_map_update_elem(&asking, &cookie, &a, BPF_ANY);
}

/* payload_of finds where what a packet carries begins, 0 where that is no question. */
static __always_inline u32 payload_of(struct __sk_buff *skb, u32 *protocol, u32 *port)
{
	u8 first, next = 0;
	u16 word = 0;
	u32 at;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return 0;
	if (first >> 4 == 4) {
		at = (first & 15) * 4;
		bpf_skb_load_bytes(skb, 9, &next, 1);
	} else if (first >> 4 == 6) {
		at = 40;
		bpf_skb_load_bytes(skb, 6, &next, 1);
	} else {
		return 0;
	}
	if (next != PROTOCOL_UDP && next != PROTOCOL_TCP)
		return 0;
	if (bpf_skb_load_bytes(skb, at + 2, &word, 2))
		return 0;
	*protocol = next;
	*port = bpf_ntohs(word);
	if (next == PROTOCOL_UDP)
		return at + 8;
	if (bpf_skb_load_bytes(skb, at + 12, &first, 1))
		return 0;
	return at + (first >> 4) * 4 + 2; /* behind the length of the message */
}

SEC("cgroup_skb/egress")
int on_packet(struct __sk_buff *skb)
{
	u32 zero = 0, protocol = 0, port = 0, at = payload_of(skb, &protocol, &port), room, left = 0;
	struct key key = {.kind = KIND_RESOLVE};
	struct question *q;
	struct asker *a = 0;
	u64 cookie;
	u16 header[6];
	bool whole = false;

	if (!at || (protocol == PROTOCOL_TCP && port != DNS_PORT))
		return 1;
	cookie = bpf_get_socket_cookie(skb);
	a = bpf_map_lookup_elem(&asking, &cookie);
	if (!a && port != DNS_PORT)
		return 1;
	/* A standard query with one question. */
	if (bpf_skb_load_bytes(skb, at, header, sizeof(header)) || (bpf_ntohs(header[1]) & 0xf800) || bpf_ntohs(header[2]) != 1)
		return 1;
	q = bpf_map_lookup_elem(&question_scratch, &zero);
	room = skb->len - at - sizeof(header);
	if (!q || room > 0xffff || !room)
		return 1;
	__builtin_memset(q, 0, sizeof(*q));
	room = room < NAME_BYTES ? room : NAME_BYTES;
	if (bpf_skb_load_bytes(skb, at + sizeof(header), q->name, ((room - 1) & (NAME_BYTES - 1)) + 1))
		return 1;
	key.hash[0] = seed[1];
	key.hash[1] = seed[0];
	for (u32 i = 0; i < NAME_BYTES; i++) {
		u8 c = q->name[i];

		if (left == 0) {
			if (!c) {
				whole = true;
				break;
			}
			if (c > 63)
				return 1;
			left = c;
		} else {
			left--;
			if (c >= 'A' && c <= 'Z') {
				c |= 0x20; /* some mix the cases, to know their answer */
				q->name[i] = c;
			}
		}
		mix(key.hash, c);
	}
	if (!whole)
		return 1;
	key.cgroup = bpf_skb_cgroup_id(skb);
	if (a) {
		q->program[0] = a->program[0];
		q->program[1] = a->program[1];
		q->session = a->session;
		key.cgroup = a->cgroup;
	}
	if (!key.cgroup)
		return 1;
	mix(key.hash, q->program[0]);
	mix(key.hash, q->program[1]);
	key.detail = q->session;
	q->first = q->last = bpf_ktime_get_boot_ns();
	keep(&questions, &key, q, q->first, ROOM_NAMES);
	return 1; /* nothing is dropped here */
}
