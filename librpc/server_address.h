// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/server_address.h
//
// Where a server listens, or is called, as the NIC is told: an IP address and a
// port, or the name of a Unix socket. A value.
#ifndef LAUBERHORN_LIBRPC_SERVER_ADDRESS_H_
#define LAUBERHORN_LIBRPC_SERVER_ADDRESS_H_

#include <string>

#include "abi/host/control.h"
#include "lauberhorn/peer_address.h"

namespace lauberhorn {

struct ServerAddress {
  lh_address ip = {};
  // If it is not empty: the socket's name, as struct lh_command_socket has it.
  std::string socket;
};

// The address as users see it.
PeerAddress ToPeerAddress(const ServerAddress& address);

}  // namespace lauberhorn

#endif  // LAUBERHORN_LIBRPC_SERVER_ADDRESS_H_
