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
                       absl::string_view target, const PeerAddress& peer,
                       std::uint64_t handle)
    : runtime_(std::move(runtime)),
      target_(target),
      peer_(peer),
      handle_(handle) {}

ClientImpl::~ClientImpl() {
  lh_command_handle command;
  command.handle = handle_;
  (void)runtime().endpoints().ControlSurely(LH_COMMAND_DISCONNECT, command);
}

absl::StatusOr<ConnectionState> ClientImpl::AskState(std::uint32_t known,
                                                     std::uint64_t deadline,
                                                     bool connect) {
  lh_command_peer_state command;
  command.peer = handle_;
  command.deadline = deadline;
  command.known = known;
  command.flags = connect ? LH_PEER_STATE_CONNECT : 0;
  const WhileWaiting waiting(runtime().endpoints().FindThisThread());
  const absl::StatusOr<std::uint64_t> state =
      runtime().Control(LH_COMMAND_PEER_STATE, command);
  if (!state.ok()) return state.status();
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
  return AskState(NumberOf(known), ToDeviceDeadline(deadline), connect);
}

std::uint64_t DeadlineOf(const CallOptions& options) {
  const std::uint64_t own = ToDeviceDeadline(options.deadline);
  const std::uint64_t inherited =
      options.inherit_deadline ? options.parent.deadline : 0;
  if (own == 0 || inherited == 0) return own | inherited;
  return std::min(own, inherited);
}

void LinkToParent(Endpoint& endpoint, RuntimeImpl& runtime,
                  const CallOptions& options, std::uint64_t call) {
  if (options.inherit_cancellation &&
      options.parent.process == &runtime.endpoints()) {
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
  const absl::StatusOr<lh_address> address =
      ResolveTarget(target, TargetUse::kConnect);
  if (!address.ok()) return address.status();
  lh_command_listen command = {};
  command.address = *address;
  const absl::StatusOr<std::uint64_t> peer =
      RuntimeImpl::From(*runtime).Control(LH_COMMAND_CONNECT, command);
  if (!peer.ok()) return peer.status();
  return std::make_shared<ClientImpl>(std::move(runtime), target,
                                      ToPeerAddress(*address), *peer);
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
  const absl::StatusOr<Endpoint*> endpoint =
      ClientImpl::From(client_).runtime().ThisThread();
  if (!endpoint.ok()) {
    refused_ = endpoint.status();
    return nullptr;
  }
  if ((*endpoint)->calling) {
    refused_ =
        absl::FailedPreconditionError("this thread has another call under way");
    return nullptr;
  }
  (*endpoint)->calling = true;
  endpoint_ = *endpoint;
  request_size_ = MetadataRoom(metadata) + size;
  flags_ = MetadataFlag(metadata);
  // Not the line itself: a control command may still want that.
  request_ = (*endpoint)->call_buffer();
  return WriteMetadata(metadata, request_);
}

absl::Status UnaryCall::Run(const CallOptions& options) {
  if (!refused_.ok()) return refused_;
  if (request_ == nullptr || ran_) {
    return absl::FailedPreconditionError(
        "reserve the request first, and run a call once");
  }
  ClientImpl& client = ClientImpl::From(client_);
  Endpoint& endpoint = *static_cast<Endpoint*>(endpoint_);
  lh_channel& channel = endpoint.call();
  absl::Status named = client.runtime().NameMethod(id_, name_);
  if (!named.ok()) return named;
  CallNumbers& numbers = client.runtime().call_numbers();
  const std::uint64_t call = numbers.Take();
  if (call == 0) {
    return absl::ResourceExhaustedError("too many calls are open");
  }
  if (options.cancellation != nullptr &&
      !options.cancellation->Begin(&EndpointPool::CancelIn,
                                   &client.runtime().endpoints(), call)) {
    numbers.Give(call);
    return absl::CancelledError("cancelled before it was sent");
  }
  LinkToParent(endpoint, client.runtime(), options, call);
  const CallMessage message = {
      .call = call,
      .method = id_,
      .peer = client.handle(),
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
      if (client.runtime().IsLost()) numbers.Give(call);
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
