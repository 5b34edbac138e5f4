/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * control.h - what a process asks the NIC to do for it
 *
 * A control message is an LH_KIND_CONTROL on any `call` channel; its rights are
 * those of the channel's owner. code: enum lh_command; call: a number that the
 * host chose; payload: the command's struct, and after it whatever the struct
 * says. The NIC answers with one LH_KIND_RESULT on the same channel: the same
 * call; code: status, 0 to 16; data: the handle that the command made; payload:
 * the error text if the status is not 0, else nothing, or the struct that is
 * named below.
 *
 * SERVER_OPEN, LISTEN, CONNECT, SOCKET_LISTEN and SOCKET_CONNECT make something
 * each time. Any other command is safe to send twice: the second is answered as
 * the first, or NOT_FOUND, ALREADY_EXISTS or FAILED_PRECONDITION, and changes
 * nothing.
 */
#ifndef LH_HOST_CONTROL_H
#define LH_HOST_CONTROL_H

#include "types.h"

enum lh_command {
	LH_COMMAND_NONE = 0,
	LH_COMMAND_SERVER_OPEN = 1, /* no payload; data: handle of a server */
	LH_COMMAND_SERVER_CLOSE = 2, /* struct lh_command_close */
	LH_COMMAND_METHOD_ADD = 3, /* struct lh_command_method, then name */
	LH_COMMAND_LISTEN = 4, /* struct lh_command_listen; data: port */
	LH_COMMAND_CONNECT = 5, /* struct lh_command_listen; data: peer */
	LH_COMMAND_DISCONNECT = 6, /* struct lh_command_handle: peer */
	LH_COMMAND_ENDPOINT_REOPEN = 7, /* struct lh_command_handle */
	LH_COMMAND_ENDPOINT_RETIRE = 8, /* struct lh_command_handle */
	LH_COMMAND_LIMITS = 9, /* struct lh_command_limits */
	LH_COMMAND_METHOD_NAME = 10, /* struct lh_command_method_name, name */
	LH_COMMAND_CALL_PEER = 11, /* struct lh_command_handle: call */
	LH_COMMAND_PEER_STATE = 12, /* struct lh_command_peer_state */
	LH_COMMAND_SOCKET_LISTEN = 13, /* struct lh_command_socket, name */
	LH_COMMAND_SOCKET_CONNECT = 14 /* the same; data: peer */
};

/*
 * DISCONNECT: open calls end with CANCELLED. ENDPOINT_REOPEN: its last thread
 * closed both `in` lanes; another one is going to wait on them. ENDPOINT_RETIRE:
 * send its thread LH_KIND_RETIRE as soon as its `serve` lane is empty. The handle
 * of an endpoint is its index and generation in struct lh_endpoint_layout.
 * CALL_PEER: where the client of a call is that a thread of the process has, as
 * a struct lh_address; NOT_FOUND if none has it, or the session is gone. If it
 * came by SOCKET_LISTEN the address is all zero, and the socket's name follows.
 */
struct lh_command_handle {
	__u64 handle; /* w: giver; r: NIC; o: slot */
};

LH_SIZE(lh_command_handle, 8);
LH_FIELD(lh_command_handle, handle, 0);

/*
 * No new calls; answered when those that were accepted have ended. Those that
 * have not at the deadline end for their callers with UNAVAILABLE; the command
 * is answered when their handlers have, too. Sent again while it is in work, it
 * is answered ALREADY_EXISTS at once, and the earlier deadline counts.
 */
struct lh_command_close {
	__u64 server; /* w: giver; r: NIC; o: slot; handle */
	__u64 deadline; /* w: giver; r: NIC; o: slot; device ns, 0 none */
};

LH_SIZE(lh_command_close, 16);
LH_FIELD(lh_command_close, server, 0);
LH_FIELD(lh_command_close, deadline, 8);

/* How much of the process the NIC may use; said before the first EMPTY. */
struct lh_command_limits {
	__u32 running; /* w: giver; r: NIC; o: slot; handlers that compute */
	__u32 threads; /* w: giver; r: NIC; o: slot; that serve at a time */
	__u32 queued; /* w: giver; r: NIC; o: slot; calls without a thread */
	__u32 reserved; /* w: giver; r: NIC; o: slot; zero */
};

LH_SIZE(lh_command_limits, 16);
LH_FIELD(lh_command_limits, running, 0);
LH_FIELD(lh_command_limits, threads, 4);
LH_FIELD(lh_command_limits, queued, 8);
LH_FIELD(lh_command_limits, reserved, 12);

/* The method's full name, "/package.Service/Method", follows. */
struct lh_command_method {
	__u64 server; /* w: giver; r: NIC; o: slot; handle */
	__u64 method; /* w: giver; r: NIC; o: slot; id: hash of the name */
	__u64 code; /* w: giver; r: NIC; o: slot; given back with each call */
	__u64 data; /* w: giver; r: NIC; o: slot; given back with each call */
	__u16 index; /* w: giver; r: NIC; o: slot; given back with each call */
	__u16 name_length; /* w: giver; r: NIC; o: slot; bytes */
	__u32 reserved; /* w: giver; r: NIC; o: slot; zero */
};

LH_SIZE(lh_command_method, 40);
LH_FIELD(lh_command_method, server, 0);
LH_FIELD(lh_command_method, method, 8);
LH_FIELD(lh_command_method, code, 16);
LH_FIELD(lh_command_method, data, 24);
LH_FIELD(lh_command_method, index, 32);
LH_FIELD(lh_command_method, name_length, 34);
LH_FIELD(lh_command_method, reserved, 36);

#define LH_METHOD_NAME_MAX 255

/*
 * A method that the process is going to call: its full name follows. Calls of it
 * carry the name until the server has confirmed it; without this command they go
 * by the id alone. ALREADY_EXISTS: another name has this id. RESOURCE_EXHAUSTED:
 * the NIC keeps no more names of this process.
 */
struct lh_command_method_name {
	__u64 method; /* w: giver; r: NIC; o: slot; id: hash of the name */
	__u16 name_length; /* w: giver; r: NIC; o: slot; bytes, at least 1 */
	__u16 reserved[3]; /* w: giver; r: NIC; o: slot; zero */
};

LH_SIZE(lh_command_method_name, 16);
LH_FIELD(lh_command_method_name, method, 0);
LH_FIELD(lh_command_method_name, name_length, 8);
LH_FIELD(lh_command_method_name, reserved, 10);

/* An IP address and port; IPv4 as ::ffff:a.b.c.d. */
struct lh_address {
	__u8 ip[16]; /* w: giver; r: taker; o: slot; network order */
	__u32 scope; /* w: giver; r: taker; o: slot; IPv6 link, else 0 */
	__u16 port; /* w: giver; r: taker; o: slot; host order */
	__u16 reserved; /* w: giver; r: taker; o: slot; zero */
};

LH_SIZE(lh_address, 24);
LH_FIELD(lh_address, ip, 0);
LH_FIELD(lh_address, scope, 16);
LH_FIELD(lh_address, port, 20);
LH_FIELD(lh_address, reserved, 22);

/* LISTEN: server, and port 0 for any. CONNECT: server is 0. */
struct lh_command_listen {
	__u64 server; /* w: giver; r: NIC; o: slot; handle */
	struct lh_address address; /* w: giver; r: NIC; o: slot */
};

LH_SIZE(lh_command_listen, 32);
LH_FIELD(lh_command_listen, server, 0);
LH_FIELD(lh_command_listen, address, 8);

/*
 * The name of a Unix socket of the NIC's host follows, as in struct sockaddr_un: a
 * path, or a zero byte and a name of the abstract namespace. UNIMPLEMENTED: the
 * NIC reaches no such sockets.
 */
struct lh_command_socket {
	__u64 server; /* w: giver; r: NIC; o: slot; as in lh_command_listen */
	__u16 name_length; /* w: giver; r: NIC; o: slot; bytes, at least 1 */
	__u16 reserved[3]; /* w: giver; r: NIC; o: slot; zero */
};

LH_SIZE(lh_command_socket, 16);
LH_FIELD(lh_command_socket, server, 0);
LH_FIELD(lh_command_socket, name_length, 8);
LH_FIELD(lh_command_socket, reserved, 10);

#define LH_SOCKET_NAME_MAX 107

/* How the session with a peer is. */
enum lh_peer_state {
	LH_PEER_IDLE = 0, /* not open; the next call opens it */
	LH_PEER_CONNECTING = 1,
	LH_PEER_READY = 2,
	LH_PEER_FAILED = 3 /* could not be opened, and has not been since */
};

/* Opens the session, and goes on trying while this command waits. */
#define LH_PEER_STATE_CONNECT 0x1

/*
 * Answered with the state in data when that is another than `known`, so at once
 * if that is no state, and at the deadline at the latest. NOT_FOUND: no such peer.
 */
struct lh_command_peer_state {
	__u64 peer; /* w: giver; r: NIC; o: slot; handle */
	__u64 deadline; /* w: giver; r: NIC; o: slot; device ns, 0 none */
	__u32 known; /* w: giver; r: NIC; o: slot; enum lh_peer_state */
	__u32 flags; /* w: giver; r: NIC; o: slot; LH_PEER_STATE_* */
};

LH_SIZE(lh_command_peer_state, 24);
LH_FIELD(lh_command_peer_state, peer, 0);
LH_FIELD(lh_command_peer_state, deadline, 8);
LH_FIELD(lh_command_peer_state, known, 16);
LH_FIELD(lh_command_peer_state, flags, 20);

#endif /* LH_HOST_CONTROL_H */
