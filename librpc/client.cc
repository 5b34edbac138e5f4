// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/client.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "librpc/client_impl.h"
#include "librpc/device_time.h"
#include "librpc/message_body.h"
#include "librpc/target.h"

namespace lauberhorn {
namespace {

// How long a blocking call waits at first before it is put again after BUSY.
constexpr absl::Duration kFirstPutAgain = absl::Microseconds(50);
constexpr absl::Duration kLongestPutAgain = absl::Milliseconds(1);

lh_peer_state NumberOf(ConnectionState state) {
  switch (state) {
    case ConnectionState::kIdle:
      return LH_PEER_IDLE;
    case ConnectionState::kConnecting:
      return LH_PEER_CONNECTING;
    case ConnectionState::kReady:
      return LH_PEER_READY;
    case ConnectionState::kFailed:
      break;
  }
  return LH_PEER_FAILED;
}

}  // namespace

ClientImpl::ClientImpl(std::shared_ptr<Runtime> runtime,
                       absl::string_view target, const ServerAddress& address)
    : runtime_(std::move(runtime)),
      target_(target),
      address_(address),
      peer_(ToPeerAddress(address)) {}

ClientImpl::~ClientImpl() {
  const std::shared_ptr<Connection> connection = runtime().Current();
  if (number_.load(std::memory_order_acquire) != connection->number()) return;
  lh_command_handle command;
  command.handle = handle_.load(std::memory_order_relaxed);
  (void)connection->endpoints().ControlSurely(LH_COMMAND_DISCONNECT, command);
}

absl::StatusOr<std::uint64_t> ClientImpl::ConnectIn(
    Connection& connection) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::uint64_t known = number_.load(std::memory_order_relaxed);
  if (known == connection.number()) {
    return handle_.load(std::memory_order_relaxed);
  }
  // There is a later one.
  if (known > connection.number()) return NicIsLost();
  absl::StatusOr<std::uint64_t> handle = connection.Connect(address_);
  if (!handle.ok()) return handle;
  handle_.store(*handle, std::memory_order_relaxed);
  number_.store(connection.number(), std::memory_order_release);
  return handle;
}

absl::StatusOr<std::uint64_t> ClientImpl::AskNic(Connection& connection,
                                                 std::uint32_t known,
                                                 std::uint64_t deadline,
                                                 bool connect) const {
  absl::StatusOr<std::uint64_t> handle = HandleIn(connection);
  if (!handle.ok()) return handle;
  lh_command_peer_state command;
  command.peer = *handle;
  command.deadline = deadline;
  command.known = known;
  command.flags = connect ? LH_PEER_STATE_CONNECT : 0;
  const WhileWaiting waiting(connection.endpoints().FindThisThread());
  return connection.Control(LH_COMMAND_PEER_STATE, command);
}

absl::StatusOr<ConnectionState> ClientImpl::AskState(std::uint32_t known,
                                                     std::uint64_t deadline,
                                                     bool connect) const {
  const std::shared_ptr<Connection> connection = runtime().Current();
  const absl::StatusOr<std::uint64_t> state =
      AskNic(*connection, known, deadline, connect);
  if (!state.ok()) {
    // With its NIC the session is lost, until there is another.
    if (connection->NoticeLoss()) return ConnectionState::kFailed;
    return state.status();
  }
  switch (*state) {
    case LH_PEER_IDLE:
      return ConnectionState::kIdle;
    case LH_PEER_CONNECTING:
      return ConnectionState::kConnecting;
    case LH_PEER_READY:
      return ConnectionState::kReady;
    default:
      return ConnectionState::kFailed;
  }
}

absl::StatusOr<ConnectionState> ClientImpl::GetState(bool try_to_connect) {
  constexpr std::uint32_t kNoState = ~std::uint32_t{0};
  return AskState(kNoState, 0, try_to_connect);
}

absl::StatusOr<ConnectionState> ClientImpl::WaitForChange(ConnectionState known,
                                                          absl::Time deadline) {
  const bool connect = known == ConnectionState::kConnecting ||
                       known == ConnectionState::kFailed;
  const std::int64_t until = ToMonotonicNanos(deadline);
  for (;;) {
    if (known == ConnectionState::kFailed &&
        !runtime().AwaitNic(until, nullptr).ok()) {
      return known;
    }
    absl::StatusOr<ConnectionState> state =
        AskState(NumberOf(known), ToDeviceDeadline(deadline), connect);
    // The same, and not yet late: the NIC was lost again.
    if (!state.ok() || *state != known || MonotonicNanos() >= until) {
      return state;
    }
  }
}

std::uint64_t DeadlineOf(const CallOptions& options) {
  const std::uint64_t own = ToDeviceDeadline(options.deadline);
  const std::uint64_t inherited =
      options.inherit_deadline ? options.parent.deadline : 0;
  if (own == 0 || inherited == 0) return own | inherited;
  return std::min(own, inherited);
}

void LinkToParent(Endpoint& endpoint, const Connection& connection,
                  const CallOptions& options, std::uint64_t call) {
  if (options.inherit_cancellation &&
      options.parent.process == &connection.endpoints()) {
    endpoint.PutLink(call, options.parent.call);
  }
}

void PutCall(Endpoint& endpoint, const CallMessage& message) {
  lh_channel& channel = endpoint.call();
  lh_line* const line = endpoint.PutBegin(channel);
  WritePayload(channel.out, channel.out.position, line, message.request);
  lh_message& header = line->header;
  header.call = message.call;
  header.code = message.method;
  header.data = message.peer;
  header.deadline = message.deadline;
  header.length = static_cast<__u32>(message.request.size());
  header.kind = LH_KIND_CALL;
  header.flags = message.flags;
  header.aux = message.answers;
  endpoint.Put(channel, line);
}

absl::Status AnswerStatus(std::uint64_t code,
                          absl::Span<const std::uint8_t> payload) {
  if (code == 0) return absl::OkStatus();
  return absl::Status(
      static_cast<absl::StatusCode>(code),
      absl::string_view(reinterpret_cast<const char*>(payload.data()),
                        payload.size()));
}

absl::StatusOr<std::shared_ptr<Client>> Client::Connect(
    std::shared_ptr<Runtime> runtime, absl::string_view target) {
  const absl::StatusOr<ServerAddress> address =
      ResolveTarget(target, TargetUse::kConnect);
  if (!address.ok()) return address.status();
  const std::shared_ptr<Connection> connection =
      RuntimeImpl::From(*runtime).Current();
  auto client =
      std::make_shared<ClientImpl>(std::move(runtime), target, *address);
  const absl::Status connected = client->HandleIn(*connection).status();
  if (!connected.ok()) return connected;
  return client;
}

UnaryCall::UnaryCall(Client& client, absl::string_view name, std::uint64_t id)
    : client_(client), name_(name), id_(id) {}

UnaryCall::~UnaryCall() {
  if (endpoint_ != nullptr) static_cast<Endpoint*>(endpoint_)->calling = false;
}

std::uint8_t* UnaryCall::ReserveRequest(
    std::size_t size, absl::Span<const std::uint8_t> metadata) {
  if (endpoint_ != nullptr) {
    refused_ = absl::FailedPreconditionError("a call is made once");
    return nullptr;
  }
  if (!FitsMessage(size, metadata)) {
    refused_ = TooLarge("request", size, metadata);
    return nullptr;
  }
  refused_ = TakeEndpoint();
  if (!refused_.ok()) return nullptr;
  request_size_ = MetadataRoom(metadata) + size;
  flags_ = MetadataFlag(metadata);
  return WriteMetadata(metadata, request_);
}

absl::Status UnaryCall::TakeEndpoint() {
  Connection* connection;
  const absl::StatusOr<Endpoint*> endpoint =
      ClientImpl::From(client_).runtime().ThisThread(&connection);
  if (!endpoint.ok()) return endpoint.status();
  if ((*endpoint)->calling) {
    return absl::FailedPreconditionError(
        "this thread has another call under way");
  }
  (*endpoint)->calling = true;
  endpoint_ = *endpoint;
  connection_ = connection;
  // Not the line itself: a control command may still want that.
  request_ = (*endpoint)->call_buffer();
  return absl::OkStatus();
}

absl::Status UnaryCall::AwaitNic(const CallOptions& options) {
  while (static_cast<Connection*>(connection_)->NoticeLoss()) {
    const std::uint64_t deadline = DeadlineOf(options);
    absl::Status there = ClientImpl::From(client_).runtime().AwaitNic(
        deadline == 0 ? kForever : static_cast<std::int64_t>(deadline),
        options.cancellation);
    if (!there.ok()) return there;
    Endpoint& lost = *static_cast<Endpoint*>(endpoint_);
    absl::Status taken = TakeEndpoint();
    if (!taken.ok()) return taken;
    std::memcpy(request_, lost.call_buffer(), request_size_);
    lost.calling = false;
  }
  return absl::OkStatus();
}

absl::Status UnaryCall::Run(const CallOptions& options) {
  if (!refused_.ok()) return refused_;
  if (request_ == nullptr || ran_) {
    return absl::FailedPreconditionError(
        "reserve the request first, and run a call once");
  }
  if (options.wait_for_ready) {
    absl::Status there = AwaitNic(options);
    if (!there.ok()) return there;
  }
  Connection& connection = *static_cast<Connection*>(connection_);
  Endpoint& endpoint = *static_cast<Endpoint*>(endpoint_);
  lh_channel& channel = endpoint.call();
  absl::Status named = connection.NameMethod(id_, name_);
  if (!named.ok()) return named;
  const absl::StatusOr<std::uint64_t> peer =
      ClientImpl::From(client_).HandleIn(connection);
  if (!peer.ok()) return peer.status();
  CallNumbers& numbers = connection.call_numbers();
  const std::uint64_t call = numbers.Take();
  if (call == 0) {
    return absl::ResourceExhaustedError("too many calls are open");
  }
  if (options.cancellation != nullptr &&
      !options.cancellation->Begin(&EndpointPool::CancelIn,
                                   &connection.endpoints(), call)) {
    numbers.Give(call);
    return absl::CancelledError("cancelled before it was sent");
  }
  LinkToParent(endpoint, connection, options, call);
  const CallMessage message = {
      .call = call,
      .method = id_,
      .peer = *peer,
      .deadline = DeadlineOf(options),
      .flags = static_cast<std::uint8_t>(flags_ | FlagsOf(options)),
      .answers = 0,
      .request = {request_, request_size_}};
  endpoint.Leave();
  PutCall(endpoint, message);

  // The NIC ends every call: with its answer, at its deadline, or when the
  // server is lost.
  const absl::Cleanup end = [&options] {
    if (options.cancellation != nullptr) options.cancellation->End();
  };
  lh_line* line;
  std::uint32_t slot;
  lh_message answer;
  absl::Duration again = kFirstPutAgain;
  for (;;) {
    slot = channel.in.position;
    line = endpoint.Get(channel);
    if (line == nullptr) {
      endpoint.Enter();
      // Else the call is still open at the NIC.
      if (connection.NoticeLoss()) numbers.Give(call);
      return NicIsLost();
    }
    answer = line->header;
    if (answer.kind == LH_KIND_REPLY && answer.call == call) break;
    lh_release(&channel.in, line);
    if (answer.kind == LH_KIND_BUSY && answer.call == call) {
      absl::SleepFor(again);
      again = std::min(2 * again, kLongestPutAgain);
      PutCall(endpoint, message);
    }
  }
  endpoint.Enter();
  ran_ = true;
  numbers.Give(call);

  const std::size_t length = std::min<std::size_t>(answer.length, kMaxMessage);
  // Copied: a slot that stayed taken would block what comes after it.
  ReadPayload(channel.in, slot, line, {endpoint.call_buffer(), length});
  lh_release(&channel.in, line);
  MessageBody body;
  if (!SplitMessage(answer.flags, {endpoint.call_buffer(), length}, &body)) {
    return absl::InternalError("the NIC's answer breaks the contract");
  }
  reply_ = body.bytes;
  reply_metadata_ = body.metadata;
  return AnswerStatus(answer.code, reply_);
}

}  // namespace lauberhorn
