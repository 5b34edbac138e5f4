// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/local_socket.h
//
// The Unix sockets of abi/wire/local.h: sequenced packets, at random names of
// the abstract namespace or at names that users chose. Nothing blocks.
// Thread-safe: functions without state.
#ifndef LAUBERHORN_NIC_LOCAL_SOCKET_H_
#define LAUBERHORN_NIC_LOCAL_SOCKET_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "abi/wire/local.h"
#include "absl/types/span.h"
#include "nic/descriptor.h"
#include "nic/socket_name.h"

namespace lauberhorn::nic {

using DoorName = std::array<std::uint8_t, sizeof(lh_door::name)>;

// A socket that listens at the name, or one that is connected to who does.
// Returns 0, or the error of the system.
int ListenAt(const SocketName& name, Descriptor* socket);
int ConnectTo(const SocketName& name, Descriptor* socket);

// The same at a random name; none if the system refuses, or nobody does.
Descriptor ListenAtDoor(const DoorName& name);
Descriptor ConnectToDoor(const DoorName& name);

// Who connected, or who listened, when that happened, as the kernel knows it.
struct LocalPeer {
  uid_t user;
  Descriptor process;  // readable when it has ended; none if it cannot be named
};
std::optional<LocalPeer> PeerOf(int socket);

// How many descriptors a message has at most.
inline constexpr std::size_t kMostDescriptors = 3;

// Sends one message, with these descriptors. False: it cannot be sent now, or
// never.
bool SendMessage(int socket, absl::Span<const std::uint8_t> message,
                 absl::Span<const int> descriptors = {});

enum class Received {
  kMessage,  // of that size, with these descriptors, or none
  kNothing,  // yet
  kBroken,   // the peer hung up, or said something else
};
Received ReceiveMessage(int socket, absl::Span<std::uint8_t> message,
                        std::vector<Descriptor>* descriptors = nullptr);

// Takes the bells that have come, some of them if they are many. False: the
// peer hung up.
bool TakeBells(int socket);

// Of a socket by which packets may come between bells: takes bells, some of
// them if they are many, and says what comes next.
enum class Next { kNothing, kPacket, kEnd };
Next LookForPacket(int socket);
// Takes a packet, into room for LH_PACKET_MAX bytes, and the bells before it;
// its size, or 0 if there is none.
std::size_t TakePacket(int socket, std::uint8_t* room);

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_LOCAL_SOCKET_H_
