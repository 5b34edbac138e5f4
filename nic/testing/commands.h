// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/commands.h
//
// The commands with which the processes of tests open a server and reach it.
// Tests wait for a RESULT in different ways, so each gives its own: control(
// command, payload) runs a command, which should succeed, and returns `data`.
#ifndef LAUBERHORN_NIC_TESTING_COMMANDS_H_
#define LAUBERHORN_NIC_TESTING_COMMANDS_H_

#include <cstdint>
#include <string>

#include "abi/host/control.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::nic::testing {

// The bytes of a command's struct.
template <typename Command>
std::string Payload(const Command& command) {
  return {reinterpret_cast<const char*>(&command), sizeof(command)};
}

struct OpenedServer {
  std::uint64_t handle;
  std::uint16_t port;
};

// A server with this method, which may have a name, at this address. The struct
// needs to say neither the server nor the length of the name.
template <typename Control>
OpenedServer OpenServer(const Control& control, lh_command_method method,
                        absl::string_view name, const lh_address& address) {
  method.server = control(LH_COMMAND_SERVER_OPEN, std::string());
  method.name_length = static_cast<std::uint16_t>(name.size());
  control(LH_COMMAND_METHOD_ADD, absl::StrCat(Payload(method), name));
  lh_command_listen listen = {};
  listen.server = method.server;
  listen.address = address;
  const std::uint64_t port = control(LH_COMMAND_LISTEN, Payload(listen));
  return {method.server, static_cast<std::uint16_t>(port)};
}

// A peer: the server at this address.
template <typename Control>
std::uint64_t Connect(const Control& control, const lh_address& address) {
  lh_command_listen connect = {};
  connect.address = address;
  return control(LH_COMMAND_CONNECT, Payload(connect));
}

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_COMMANDS_H_
