// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
// The engine's control commands: abi/host/control.h.

#include <algorithm>
#include <cstring>
#include <string>

#include "abi/host/control.h"
#include "nic/bytes.h"
#include "nic/engine.h"

namespace lauberhorn::nic {
namespace {

// The command's struct, if the payload has just its size.
template <typename Command>
bool Read(absl::Span<const std::uint8_t> payload, Command* command) {
  if (payload.size() != sizeof(Command)) return false;
  std::memcpy(command, payload.data(), sizeof(Command));
  return true;
}

// The command's struct, and the name that follows it.
template <typename Command>
bool ReadNamed(absl::Span<const std::uint8_t> payload, Command* command,
               absl::string_view* name) {
  if (payload.size() < sizeof(Command)) return false;
  std::memcpy(command, payload.data(), sizeof(Command));
  payload.remove_prefix(sizeof(Command));
  *name = {reinterpret_cast<const char*>(payload.data()), payload.size()};
  return name->size() == command->name_length;
}

// The same for a method.
template <typename Command>
bool ReadMethod(absl::Span<const std::uint8_t> payload, Command* command,
                absl::string_view* name) {
  return ReadNamed(payload, command, name) &&
         name->size() <= LH_METHOD_NAME_MAX;
}

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed control command");
}

absl::StatusOr<std::uint64_t> Result(const absl::Status& status) {
  return status.ok() ? absl::StatusOr<std::uint64_t>(0) : status;
}

}  // namespace

void Engine::OnControl(std::uint32_t channel) {
  const std::uint32_t place =
      answers_.TakeForCommand(channel, message_.header.call);
  if (place == Answers::kNone) return channels_.Refuse(channel);
  counters_.controls.Add();
  bool answered = false;
  const absl::StatusOr<std::uint64_t> result = RunControl(place, &answered);
  if (answered) return;
  const absl::string_view text = result.status().message();
  answers_.Result(place, static_cast<std::uint8_t>(result.status().code()),
                  result.ok() ? *result : 0,
                  Bytes(text.substr(0, kMaxPayload)));
}

absl::StatusOr<std::uint64_t> Engine::RunControl(std::uint32_t place,
                                                 bool* answered) {
  lh_command_handle handle;
  lh_command_listen listen;
  switch (message_.header.code) {
    case LH_COMMAND_SERVER_OPEN:
      if (!message_.bytes().empty()) return Malformed();
      return servers_.Open();

    case LH_COMMAND_SERVER_CLOSE: {
      lh_command_close close;
      if (!Read(message_.bytes(), &close)) return Malformed();
      const absl::Status status = servers_.Close(
          close.server, place, close.deadline == 0 ? kNever : close.deadline);
      *answered = status.ok();
      closing_ = true;
      return Result(status);
    }

    case LH_COMMAND_LIMITS: {
      lh_command_limits limits;
      if (!Read(message_.bytes(), &limits)) return Malformed();
      if (limits.running == 0 || limits.threads == 0 || limits.queued == 0) {
        return absl::InvalidArgumentError("a limit is 0");
      }
      dispatcher_.set_limits({.running = limits.running,
                              .threads = limits.threads,
                              .queued = limits.queued});
      return 0;
    }

    case LH_COMMAND_METHOD_ADD:
      return Result(AddMethod());

    case LH_COMMAND_METHOD_NAME:
      return Result(NameMethod());

    case LH_COMMAND_LISTEN: {
      if (!Read(message_.bytes(), &listen)) return Malformed();
      const absl::StatusOr<Address> local =
          servers_.Listen(listen.server, Address(listen.address));
      if (!local.ok()) return local.status();
      return local->port();
    }

    case LH_COMMAND_CONNECT:
      if (!Read(message_.bytes(), &listen)) return Malformed();
      return client_transport_.Connect(Address(listen.address));

    case LH_COMMAND_SOCKET_LISTEN:
    case LH_COMMAND_SOCKET_CONNECT: {
      lh_command_socket command;
      absl::string_view bytes;
      if (!ReadNamed(message_.bytes(), &command, &bytes)) return Malformed();
      const absl::StatusOr<SocketName> name = SocketName::From(bytes);
      if (!name.ok()) return name.status();
      return message_.header.code == LH_COMMAND_SOCKET_CONNECT
                 ? client_transport_.Connect(*name)
                 : Result(servers_.Listen(command.server, *name));
    }

    case LH_COMMAND_DISCONNECT: {
      if (!Read(message_.bytes(), &handle)) return Malformed();
      return Result(client_transport_.Disconnect(handle.handle, now_));
    }

    case LH_COMMAND_ENDPOINT_REOPEN:
    case LH_COMMAND_ENDPOINT_RETIRE: {
      if (!Read(message_.bytes(), &handle)) return Malformed();
      const std::uint32_t endpoint = lh_handle_index(handle.handle);
      if (endpoint >= region_.options().endpoints ||
          region_.endpoint(endpoint)->generation !=
              lh_handle_generation(handle.handle)) {
        return absl::NotFoundError("no such endpoint");
      }
      if (message_.header.code == LH_COMMAND_ENDPOINT_RETIRE) {
        dispatcher_.Retire(endpoint);
        return 0;
      }
      if (!channels_.IsClosed(2 * endpoint) ||
          !channels_.IsClosed(2 * endpoint + 1)) {
        return absl::FailedPreconditionError(
            "the endpoint has not been closed");
      }
      // What its last thread has answered is not to end with an error. (What it
      // put on `call` has been read, as this command was; message_ with it.)
      CollectLeft(2 * endpoint);
      dispatcher_.Abandon(endpoint);
      for (const std::uint32_t channel : {2 * endpoint, 2 * endpoint + 1}) {
        // RETIRE and answers were for its last thread alone.
        channels_.RevokeAll(channel);
        channels_.Reopen(channel);
      }
      return 0;
    }

    case LH_COMMAND_CALL_PEER: {
      const absl::Status status = AnswerCallPeer(place);
      *answered = status.ok();
      return Result(status);
    }

    case LH_COMMAND_PEER_STATE:
      return AskPeerState(place, answered);

    default:
      return absl::UnimplementedError("unknown control command");
  }
}

absl::Status Engine::AddMethod() {
  lh_command_method method;
  absl::string_view name;
  if (!ReadMethod(message_.bytes(), &method, &name)) return Malformed();
  return servers_.AddMethod(method.server, method.method, name, method.code,
                            method.data, method.index);
}

absl::Status Engine::NameMethod() {
  lh_command_method_name method;
  absl::string_view name;
  if (!ReadMethod(message_.bytes(), &method, &name) || name.empty()) {
    return Malformed();
  }
  return client_transport_.NameMethod(method.method, name);
}

absl::Status Engine::AnswerCallPeer(std::uint32_t place) {
  lh_command_handle call;
  if (!Read(message_.bytes(), &call)) return Malformed();
  const bool is_held = dispatcher_.IsHeld(call.handle);
  const ReplyTo to = is_held ? dispatcher_.ReplyToOf(call.handle) : ReplyTo();
  const Address* const client =
      is_held ? server_transport_.ClientOf(to) : nullptr;
  if (client == nullptr) return absl::NotFoundError("no such call");
  lh_address raw = client->raw();
  std::uint8_t answer[sizeof(raw) + LH_SOCKET_NAME_MAX];
  std::size_t size = sizeof(raw);
  if (const SocketName* const name =
          server_transport_.WireOf(to).socket_name()) {
    raw = {};
    std::memcpy(answer + size, name->bytes().data(), name->bytes().size());
    size += name->bytes().size();
  }
  std::memcpy(answer, &raw, sizeof(raw));
  answers_.Result(place, 0, 0, {answer, size});
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> Engine::AskPeerState(std::uint32_t place,
                                                   bool* answered) {
  lh_command_peer_state command;
  if (!Read(message_.bytes(), &command)) return Malformed();
  const absl::StatusOr<lh_peer_state> state =
      client_transport_.StateOf(command.peer);
  if (!state.ok()) return state.status();
  const bool connect = (command.flags & LH_PEER_STATE_CONNECT) != 0;
  if (connect) client_transport_.Want(command.peer, now_);
  if (*state != command.known) return *state;
  peer_waits_.push_back(
      {.place = place,
       .known = command.known,
       .peer = command.peer,
       .deadline = command.deadline == 0 ? kNever : command.deadline,
       .connect = connect});
  *answered = true;
  return *state;
}

// Of those whose peer has changed, or is gone, or whose deadline has come.
void Engine::AnswerPeerWaits() {
  next_peer_wait_ = kNever;
  std::size_t kept = 0;
  for (const PeerWait& wait : peer_waits_) {
    const absl::StatusOr<lh_peer_state> state =
        client_transport_.StateOf(wait.peer);
    if (!state.ok()) {
      answers_.Result(wait.place,
                      static_cast<std::uint8_t>(state.status().code()), 0,
                      Bytes(state.status().message()));
    } else if (*state != wait.known || wait.deadline <= now_) {
      answers_.Result(wait.place, 0, *state, {});
    } else {
      if (wait.connect) client_transport_.Want(wait.peer, now_);
      next_peer_wait_ = std::min(next_peer_wait_, wait.deadline);
      peer_waits_[kept++] = wait;
    }
  }
  peer_waits_.resize(kept);
}

// The deadline of their closing has come.
void Engine::EndLateServers() {
  for (;;) {
    const std::uint32_t server = servers_.TakeLate(now_);
    if (server == ServerTable::kNone) return;
    dispatcher_.CancelAll(
        server, absl::StatusCode::kUnavailable,
        "the server was shut down before the call ended; it may have run");
  }
}

void Engine::FinishClosedServers() {
  closing_ = false;
  std::uint32_t place;
  std::vector<std::uint32_t> listeners;
  while (servers_.TakeClosed(&place, &listeners)) {
    for (const std::uint32_t listener : listeners) {
      server_transport_.CloseListener(listener);
      servers_.RemoveListener(listener);
    }
    listeners.clear();
    answers_.Result(place, 0, 0, {});
  }
}

}  // namespace lauberhorn::nic
