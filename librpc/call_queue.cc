// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "lauberhorn/call_queue.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "librpc/call_queue_impl.h"
#include "librpc/client_impl.h"
#include "librpc/device_time.h"
#include "librpc/message_body.h"

namespace lauberhorn {
namespace {

// How soon to put a kept call again while none ends.
constexpr std::int64_t kPutAgain = 1'000'000;

absl::Status TooManyCalls(absl::string_view option) {
  return absl::ResourceExhaustedError(
      absl::StrCat("too many calls of queues are under way; raise ", option,
                   ", or fetch their ends sooner"));
}

MessageBody BodyOf(QueuedCalls& calls, std::uint64_t call) {
  const QueuedCall& record = calls.At(call);
  MessageBody body;
  // It has been checked.
  (void)SplitMessage(record.flags, {calls.BytesOf(call), record.length}, &body);
  return body;
}

}  // namespace

Completion::Completion(Completion&& other) noexcept
    : calls_(std::exchange(other.calls_, nullptr)), call_(other.call_) {}

Completion& Completion::operator=(Completion&& other) noexcept {
  if (this == &other) return *this;
  Clear();
  calls_ = std::exchange(other.calls_, nullptr);
  call_ = other.call_;
  return *this;
}

void* Completion::tag() const { return calls_->At(call_).tag; }

absl::Status Completion::status() const {
  return AnswerStatus(calls_->At(call_).code, reply());
}

absl::Span<const std::uint8_t> Completion::reply() const {
  return BodyOf(*calls_, call_).bytes;
}

absl::Span<const std::uint8_t> Completion::reply_metadata() const {
  return BodyOf(*calls_, call_).metadata;
}

void Completion::Clear() {
  if (QueuedCalls* const calls = std::exchange(calls_, nullptr)) {
    calls->Give(call_);
  }
}

absl::StatusOr<std::unique_ptr<CallQueue>> CallQueue::Create(
    std::shared_ptr<Runtime> runtime, const CallQueueOptions& options) {
  std::shared_ptr<Connection> connection =
      RuntimeImpl::From(*runtime).Current();
  if (connection->NoticeLoss()) return NicIsLost();
  const absl::StatusOr<Endpoint*> endpoint = connection->endpoints().Take();
  if (!endpoint.ok()) return endpoint.status();
  // There is one for each endpoint.
  const std::uint64_t last = connection->call_numbers().Take();
  if (last == 0) {
    connection->endpoints().Give(*endpoint);
    return absl::ResourceExhaustedError("too many calls are open");
  }
  return std::make_unique<CallQueueImpl>(
      std::move(runtime), std::move(connection), options, **endpoint, last);
}

CallQueueImpl::CallQueueImpl(std::shared_ptr<Runtime> runtime,
                             std::shared_ptr<Connection> connection,
                             const CallQueueOptions& options,
                             Endpoint& endpoint, std::uint64_t last)
    : runtime_(std::move(runtime)),
      connection_(std::move(connection)),
      calls_(connection_->queued_calls()),
      max_calls_(options.max_calls == 0 ? kShutdown - 1 : options.max_calls),
      endpoint_(endpoint),
      last_(last),
      due_(kForever) {}

CallQueueImpl::~CallQueueImpl() {
  Shutdown();
  calls_.ForEachOpen(this, [this](std::uint64_t call) { Cancel(call); });
  Completion completion;
  while (Next(&completion)) {
  }
  connection_->call_numbers().Give(last_);
  connection_->endpoints().Give(&endpoint_);
}

absl::Status CallQueueImpl::Count() {
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  do {
    if ((state & kShutdown) != 0) {
      return absl::FailedPreconditionError("the queue has been shut down");
    }
    if (state >= max_calls_) return TooManyCalls("CallQueueOptions::max_calls");
  } while (!state_.compare_exchange_weak(state, state + 1,
                                         std::memory_order_relaxed));
  return absl::OkStatus();
}

absl::Status CallQueueImpl::Begin(std::uint64_t call) {
  Cancellation* const cancellation = calls_.At(call).cancellation;
  if (cancellation != nullptr && !cancellation->Begin(&CancelIn, this, call)) {
    return absl::CancelledError("cancelled before it was sent");
  }
  // Last of what may fail: from here on it will be fetched.
  absl::Status counted = Count();
  if (!counted.ok() && cancellation != nullptr) cancellation->End();
  return counted;
}

absl::StatusOr<std::uint64_t> CallQueueImpl::Start(Client& client,
                                                   const CallRequest& request,
                                                   const CallOptions& options,
                                                   void* tag) {
  const ClientImpl& to = ClientImpl::From(client);
  if (&to.runtime() != &runtime()) {
    return absl::InvalidArgumentError(
        "the client and the queue are of different runtimes");
  }
  if (!FitsMessage(request.bytes.size(), request.metadata)) {
    return TooLarge("request", request.bytes.size(), request.metadata);
  }
  const absl::Status named = connection_->NameMethod(request.id, request.name);
  if (!named.ok()) return named;
  const absl::StatusOr<std::uint64_t> peer = to.HandleIn(*connection_);
  if (!peer.ok()) return peer.status();
  const std::uint64_t call = calls_.Take();
  if (call == 0) return TooManyCalls("RuntimeOptions::max_calls");
  QueuedCall& record = calls_.At(call);
  record.tag = tag;
  record.cancellation = options.cancellation;
  record.method = request.id;
  record.peer = *peer;
  record.deadline = DeadlineOf(options);
  record.length = static_cast<std::uint32_t>(MetadataRoom(request.metadata) +
                                             request.bytes.size());
  record.flags = static_cast<std::uint8_t>(MetadataFlag(request.metadata) |
                                           FlagsOf(options));
  record.kept = false;
  std::uint8_t* const bytes =
      WriteMetadata(request.metadata, calls_.BytesOf(call));
  if (!request.bytes.empty()) {
    std::memcpy(bytes, request.bytes.data(), request.bytes.size());
  }
  calls_.Open(call, this);
  if (absl::Status begun = Begin(call); !begun.ok()) {
    calls_.End(call);
    calls_.Give(call);
    return begun;
  }
  if (const absl::StatusOr<Endpoint*> mine =
          connection_->endpoints().ThisThread();
      mine.ok()) {
    LinkToParent(**mine, *connection_, options, call);
    Put(**mine, call);
  } else {
    const std::lock_guard<std::mutex> lock(out_mutex_);
    LinkToParent(endpoint_, *connection_, options, call);
    Put(endpoint_, call);
  }
  return call;
}

void CallQueueImpl::Put(Endpoint& endpoint, std::uint64_t call) {
  const QueuedCall& record = calls_.At(call);
  PutCall(endpoint, {.call = call,
                     .method = record.method,
                     .peer = record.peer,
                     .deadline = record.deadline,
                     .flags = record.flags,
                     .answers = endpoint_.number(),
                     .request = {calls_.BytesOf(call), record.length}});
}

void CallQueueImpl::Cancel(std::uint64_t call) {
  if (!calls_.IsOpen(call, this)) return;
  calls_.SetCancelled(call);
  {
    const std::lock_guard<std::mutex> lock(out_mutex_);
    endpoint_.PutCancel(call);
  }
  cancelled_.store(true, std::memory_order_release);
}

void CallQueueImpl::Shutdown() {
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  do {
    if ((state & kShutdown) != 0) return;
  } while (!state_.compare_exchange_weak(state, (state + 1) | kShutdown,
                                         std::memory_order_relaxed));
  const std::lock_guard<std::mutex> lock(out_mutex_);
  PutCall(endpoint_, {.call = last_,
                      .method = 0,
                      .peer = 0,  // nobody
                      .deadline = 0,
                      .flags = 0,
                      .answers = 0,
                      .request = {}});
}

bool CallQueueImpl::Next(Completion* completion) {
  return NextBefore(absl::InfiniteFuture(), completion) == Got::kCompletion;
}

CallQueue::Got CallQueueImpl::NextBefore(absl::Time deadline,
                                         Completion* completion) {
  completion->Clear();
  const std::int64_t until = ToMonotonicNanos(deadline);
  if (!BeginGetting(until)) return Got::kTimeout;
  const Got got = Get(until, completion);
  EndGetting();
  return got;
}

bool CallQueueImpl::BeginGetting(std::int64_t until) {
  if (!getting_.exchange(true)) return true;
  const WhileWaiting waiting(connection_->endpoints().FindThisThread());
  std::unique_lock<std::mutex> lock(sleep_mutex_);
  sleepers_.fetch_add(1);
  bool mine = !getting_.exchange(true);
  for (bool late = false; !mine && !late; mine = !getting_.exchange(true)) {
    if (until == kForever) {
      handed_over_.wait(lock);
    } else {
      const std::chrono::steady_clock::time_point when{
          std::chrono::nanoseconds(until)};
      late = handed_over_.wait_until(lock, when) == std::cv_status::timeout;
    }
  }
  sleepers_.fetch_sub(1);
  return mine;
}

void CallQueueImpl::EndGetting() {
  getting_.store(false);
  if (sleepers_.load() == 0) return;
  // Whoever counted itself has tried once more by now, or sleeps.
  { const std::lock_guard<std::mutex> lock(sleep_mutex_); }
  handed_over_.notify_one();
}

CallQueue::Got CallQueueImpl::Get(std::int64_t until, Completion* completion) {
  lh_channel& channel = endpoint_.call();
  for (;;) {
    if (Drained()) return Got::kShutdown;
    std::uint32_t slot = channel.in.position;
    lh_line* line = lh_take(&channel.in);
    if (line == nullptr) {
      const std::int64_t now = MonotonicNanos();
      if (now >= until) return Got::kTimeout;
      std::int64_t wake = until;
      if (first_kept_ != 0) wake = std::min({wake, now + kPutAgain, due_});
      const WhileWaiting waiting(connection_->endpoints().FindThisThread());
      slot = channel.in.position;
      line = endpoint_.GetUntil(channel, wake);
    }
    if (line == nullptr) {
      if (endpoint_.IsServed()) {
        PutKept(1);
      } else {
        connection_->NoticeLoss();
        return EndOne(completion) ? Got::kCompletion : Got::kShutdown;
      }
    } else if (OnAnswer(line, slot, completion)) {
      PutKept(2);
      return Got::kCompletion;
    }
  }
}

bool CallQueueImpl::OnAnswer(lh_line* line, std::uint32_t slot,
                             Completion* completion) {
  lh_lane& in = endpoint_.call().in;
  const lh_message answer = line->header;
  const bool answers =
      answer.kind == LH_KIND_REPLY || answer.kind == LH_KIND_BUSY;
  if (answers && answer.call == last_) {
    lh_release(&in, line);
    state_.fetch_sub(1, std::memory_order_release);
    return false;
  }
  // Others are not of this queue's calls: what is left of the endpoint's last
  // user, or of a NIC that breaks the contract.
  if (!answers || !calls_.IsOpen(answer.call, this)) {
    lh_release(&in, line);
    return false;
  }
  if (answer.kind == LH_KIND_BUSY) {
    lh_release(&in, line);
    Keep(answer.call);
    return false;
  }
  QueuedCall& record = calls_.At(answer.call);
  record.code = answer.code;
  record.length = std::min<std::uint32_t>(answer.length, kMaxMessage);
  record.flags = answer.flags;
  std::uint8_t* const bytes = calls_.BytesOf(answer.call);
  ReadPayload(in, slot, line, {bytes, record.length});
  lh_release(&in, line);
  MessageBody body;
  if (!SplitMessage(record.flags, {bytes, record.length}, &body)) {
    record.code = static_cast<std::uint64_t>(absl::StatusCode::kInternal);
    record.length = record.flags = 0;
  }
  Complete(answer.call, completion);
  return true;
}

void CallQueueImpl::Complete(std::uint64_t call, Completion* completion) {
  QueuedCall& record = calls_.At(call);
  calls_.End(call);
  if (record.cancellation != nullptr) record.cancellation->End();
  completion->calls_ = &calls_;
  completion->call_ = call;
  state_.fetch_sub(1, std::memory_order_release);
}

bool CallQueueImpl::EndOne(Completion* completion) {
  std::uint64_t open = 0;
  calls_.ForEachOpen(this, [&open](std::uint64_t call) { open = call; });
  if (open == 0) return false;
  const absl::Status lost = NicIsLost();
  const absl::string_view text = lost.message();
  QueuedCall& record = calls_.At(open);
  record.code = static_cast<std::uint64_t>(lost.code());
  record.length = static_cast<std::uint32_t>(text.size());
  record.flags = 0;
  std::memcpy(calls_.BytesOf(open), text.data(), text.size());
  Complete(open, completion);
  return true;
}

// One that comes back stays before those that have not been put again.
void CallQueueImpl::Keep(std::uint64_t call) {
  QueuedCall& record = calls_.At(call);
  if (first_kept_ == 0) {
    record.next = 0;
    first_kept_ = last_kept_ = call;
  } else if (record.kept) {
    record.next = first_kept_;
    first_kept_ = call;
  } else {
    record.next = 0;
    calls_.At(last_kept_).next = call;
    last_kept_ = call;
  }
  record.kept = true;
  if (record.deadline != 0) {
    due_ = std::min(due_, static_cast<std::int64_t>(record.deadline));
  }
  if (calls_.IsCancelled(call)) {
    cancelled_.store(true, std::memory_order_relaxed);
  }
}

bool CallQueueImpl::IsDue(std::uint64_t call, std::int64_t now) const {
  const QueuedCall& record = calls_.At(call);
  return calls_.IsCancelled(call) ||
         (record.deadline != 0 &&
          static_cast<std::int64_t>(record.deadline) <= now);
}

void CallQueueImpl::PutKept(int count) {
  if (first_kept_ == 0) return;
  const std::lock_guard<std::mutex> lock(out_mutex_);
  for (; count > 0 && first_kept_ != 0; --count) {
    const std::uint64_t call = first_kept_;
    first_kept_ = calls_.At(call).next;
    Put(endpoint_, call);
  }
  const std::int64_t now = MonotonicNanos();
  if (now < due_ && !cancelled_.load(std::memory_order_relaxed)) return;
  cancelled_.store(false, std::memory_order_relaxed);
  due_ = kForever;
  std::uint64_t* link = &first_kept_;
  last_kept_ = 0;
  while (*link != 0) {
    const std::uint64_t call = *link;
    QueuedCall& record = calls_.At(call);
    if (IsDue(call, now)) {
      *link = record.next;
      Put(endpoint_, call);
      continue;
    }
    if (record.deadline != 0) {
      due_ = std::min(due_, static_cast<std::int64_t>(record.deadline));
    }
    last_kept_ = call;
    link = &record.next;
  }
}

}  // namespace lauberhorn
