// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// device REGION RING
//
// A device in less than 500 lines: makes a region for one process in the file
// REGION, is rung through the pipe RING, and carries calls from that process to
// itself. It has no network; docs/device.md says what else it leaves out. What
// the process wrote is copied once, and checked in the copy.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "abi/host/channel_user.h"
#include "abi/host/control.h"
#include "abi/host/endpoint.h"
#include "abi/host/process.h"
#include "abi/host/region.h"

namespace {

constexpr unsigned kEndpoints = 8, kSlots = 4, kCalls = 64;
constexpr unsigned kMost = 1392, kOverflow = 1408;  // bytes of a payload
constexpr __u64 kCancelled = 1, kUnknown = 2, kInvalid = 3, kExpired = 4,
                kNotFound = 5, kExists = 6, kPrecondition = 9,
                kUnimplemented = 12, kInternal = 13, kUnavailable = 14;

// All that the device shows; a reset zeroes it from `states` on.
struct Region {
  lh_info info;
  lh_process_layout process;
  lh_endpoint_layout endpoints[kEndpoints];
  lh_channel_state states[2 * kEndpoints];
  lh_bell_line bell;
  lh_call_word words[2 * kCalls];
  lh_line lines[2 * kEndpoints][2][kSlots];  // of a channel: out, in
  __u8 overflow[2 * kEndpoints][2][kSlots][kOverflow];
};

struct Message {
  lh_message header = {};
  std::string bytes;
};

struct Channel {  // of an endpoint: 2n is its `serve`, 2n + 1 its `call`
  lh_lane out = {}, in = {};
  bool quarantined = false;
  unsigned refused = 0, commands = 0;
  std::deque<Message> backlog;  // what waits for room in `in`
  // Of `serve`: calls that its thread takes; whether it has said LEAVE.
  unsigned credit = 0, left = 0;
  std::vector<unsigned> calls;  // that it has, the newest last
};

// Its handler knows a call by its index, its caller by that plus kCalls.
struct Call {
  enum { kFree, kQueued, kDelivered } state = kFree;  // for its server
  bool open = false;                                  // for its caller
  unsigned channel = 0, generation = 0;
  __u64 handle = 0;  // the caller's, until the answer is in the lane
  __u64 word = 0;    // of the slot that it was delivered to
  Message message;   // as it is delivered
};

Region* region;
__u64 reset_for;  // the driver's epoch

struct Memory {  // all that a reset forgets
  std::vector<Channel> channels = std::vector<Channel>(2 * kEndpoints);
  std::vector<Call> calls = std::vector<Call>(kCalls);
  std::deque<unsigned> queue;  // of calls
  unsigned servers = 0, next_port = 40000;
  std::map<std::pair<__u64, __u64>, lh_command_method> methods;  // server, id
  std::map<unsigned, __u64> listeners;  // ports, and their servers
  std::vector<unsigned> peers;          // their ports
} m;

bool Deliver(unsigned number, const Message& message);
void Abandon(Channel& serve);

__u64 Now() {  // CLOCK_MONOTONIC
  return static_cast<__u64>(
      std::chrono::steady_clock::now().time_since_epoch().count());
}

__u64 Offset(const void* part) {
  return static_cast<__u64>(static_cast<const char*>(part) -
                            reinterpret_cast<const char*>(region));
}

void Place(unsigned at, int which, lh_lane_layout* layout, lh_lane* lane) {
  auto* const lines = reinterpret_cast<__u8*>(region->lines[at][which]);
  __u8* const overflow = region->overflow[at][which][0];
  *layout = {Offset(lines), Offset(overflow)};
  *lane = {lines, overflow, sizeof(lh_line), kOverflow, kSlots, 0, 0, 0};
}

bool ResetWanted() {
  return lh_load_acquire(&region->info.request) == LH_REQUEST_RESET &&
         lh_load_acquire(&region->info.driver_epoch) != reset_for;
}

void BeginEpoch() {
  lh_info& info = region->info;
  reset_for = lh_load_acquire(&info.driver_epoch);
  lh_store_release(&info.status, LH_STATUS_RESET);
  std::memset(region->states, 0, sizeof(Region) - offsetof(Region, states));
  m = Memory();
  info.version_major = LH_VERSION_MAJOR;
  info.version_minor = LH_VERSION_MINOR;
  info.features = LH_FEATURE_NEEDS_RING;
  info.region_size = sizeof(Region);
  info.slots = kSlots;
  info.line_stride = sizeof(lh_line);
  info.overflow_size = kOverflow;
  info.processes = Offset(&region->process);
  info.clock_mult = 1;  // device time is CLOCK_MONOTONIC
  lh_process_layout& process = region->process;
  process.endpoints = Offset(region->endpoints);
  info.endpoints = process.endpoint_count = kEndpoints;
  process.call_words = Offset(region->words);
  process.bell = Offset(&region->bell);
  info.process_count = process.bell_lines = 1;
  process.call_first = process.call_count = kCalls;
  for (unsigned at = 0; at < 2 * kEndpoints; ++at) {
    lh_endpoint_layout& endpoint = region->endpoints[at / 2];
    endpoint.index = at / 2;
    endpoint.generation = 1;
    lh_channel_layout& layout = at % 2 ? endpoint.call : endpoint.serve;
    Place(at, 0, &layout.out, &m.channels[at].out);
    Place(at, 1, &layout.in, &m.channels[at].in);
    layout.state = Offset(&region->states[at]);
    layout.bell = at;
    region->states[at].watched = 1;  // it looks at all of them, always
  }
  process.epoch = ++info.device_epoch;
  lh_store_release(&info.status, LH_STATUS_READY);
  lh_store_release(&info.magic, LH_MAGIC);
}

// After the compare-and-swap of a delivery, which is a full fence.
void Wake(__u64* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void Quarantine(unsigned number, __u64 reason) {
  Channel& channel = m.channels[number];
  if (channel.quarantined) return;
  lh_store_release(&region->states[number].quarantine, reason);
  const lh_message last = {0, 0, reason, 0, 0, 0, LH_KIND_QUARANTINED, 0, 0};
  if (reason == LH_QUARANTINE_BAD_MESSAGE) Deliver(number, {last, ""});
  channel.quarantined = true;
  Wake(&lh_lane_next(&channel.in)->header.word);
  Abandon(channel);
}

void Refuse(unsigned number) {
  const bool attack = ++m.channels[number].refused > 1000;
  if (attack) Quarantine(number, LH_QUARANTINE_BAD_MESSAGE);
}

bool Collect(unsigned number, Message* message) {
  Channel& channel = m.channels[number];
  while (lh_line* const line = lh_collect_begin(&channel.out)) {
    lh_message& header = message->header;
    std::memcpy(&header, line, sizeof(header));
    __atomic_signal_fence(__ATOMIC_SEQ_CST);  // it is not read again
    const bool good = header.length <= kMost && header.flags == 0;
    if (good) {
      const __u8* more = lh_lane_overflow(&channel.out, channel.out.position);
      const __u32 inside = std::min<__u32>(header.length, LH_INLINE_SIZE);
      message->bytes.assign(line->payload, line->payload + inside);
      message->bytes.append(more, more + (header.length - inside));
    }
    lh_collect_end(&channel.out, line);
    if (good && !channel.quarantined) return true;
    Refuse(number);
  }
  return false;
}

bool Deliver(unsigned number, const Message& message) {
  Channel& channel = m.channels[number];
  lh_line* const line = lh_lane_next(&channel.in);
  const bool bad = lh_state(lh_load_acquire(&line->header.word)) >= LH_STATES;
  if (bad) Quarantine(number, LH_QUARANTINE_BAD_WORD);
  if (channel.quarantined || !lh_deliver_begin(&channel.in)) return false;
  const std::string& bytes = message.bytes;
  const auto inside = std::min<std::size_t>(bytes.size(), LH_INLINE_SIZE);
  // All but the word, which comes last.
  std::memcpy(&line->header.call, &message.header.call,
              sizeof(lh_message) - offsetof(lh_message, call));
  line->header.length = static_cast<__u32>(bytes.size());
  std::memcpy(line->payload, bytes.data(), inside);
  std::memcpy(lh_lane_overflow(&channel.in, channel.in.position),
              bytes.data() + inside, bytes.size() - inside);
  const lh_delivery done = lh_deliver_end(&channel.in, line);
  if (done == LH_DELIVERED_WAKE) Wake(&line->header.word);
  if (done == LH_CONTENDED) Quarantine(number, LH_QUARANTINE_CONTENDED);
  return done == LH_DELIVERED || done == LH_DELIVERED_WAKE;
}

// Answers wait here while their lane has no room.
void Answer(unsigned number, __u8 kind, __u64 call, __u64 code,
            const std::string& bytes = "", __u64 data = 0) {
  m.channels[number].backlog.push_back(
      {{0, call, code, data, 0, 0, kind, 0, 0}, bytes});
}

// Null if the process has no call of this number.
Call* OwnCall(__u64 handle) {
  const unsigned index = lh_handle_index(handle) - kCalls;
  return index < kCalls ? &m.calls[index] : nullptr;
}

bool DeliverBacklog(unsigned number) {
  Channel& channel = m.channels[number];
  bool delivered = false;
  while (!channel.backlog.empty()) {
    const lh_message header = channel.backlog.front().header;
    const bool gone = channel.quarantined || lh_is_closed(&channel.in);
    if (!gone && !Deliver(number, channel.backlog.front())) break;
    if (header.kind == LH_KIND_RESULT) --channel.commands;
    if (header.kind != LH_KIND_RESULT) OwnCall(header.call)->handle = 0;
    channel.backlog.pop_front();
    delivered = true;
  }
  lh_store_release(&region->states[number].backlog, !channel.backlog.empty());
  return delivered;
}

void Tell(Call& call, __u64 status, const std::string& bytes) {
  if (!call.open) return;
  call.open = false;
  Answer(call.channel, LH_KIND_REPLY, call.handle, status, bytes);
}

// Its caller waits no more; a handler that has it is told.
void EndEarly(Call& call, __u64 status, __u64 flag) {
  const auto index = static_cast<unsigned>(&call - m.calls.data());
  const __u64 word = lh_handle(flag, call.generation);
  lh_store_release(&region->words[index].word, word);
  Tell(call, status, "too late");
  if (call.state != Call::kQueued) return;
  call.state = Call::kFree;
  m.queue.erase(std::find(m.queue.begin(), m.queue.end(), index));
}

// Takes the newest call back, if its thread has not, and gives it to another.
bool Revoke(Channel& serve) {
  const unsigned newest = lh_lane_previous(&serve.in);
  const __u64* const word = &lh_lane_line(&serve.in, newest)->header.word;
  if (serve.calls.empty() || serve.quarantined) return false;
  Call& call = m.calls[serve.calls.back()];
  if (lh_load_acquire(word) != call.word || !lh_revoke(&serve.in)) return false;
  call.state = call.open ? Call::kQueued : Call::kFree;
  if (call.open) m.queue.push_front(serve.calls.back());
  serve.calls.pop_back();
  ++serve.credit;
  return true;
}

void Abandon(Channel& serve) {  // its thread is gone
  while (Revoke(serve)) continue;
  for (unsigned index : serve.calls) {
    m.calls[index].state = Call::kFree;
    Tell(m.calls[index], kUnknown, "its thread is gone");
  }
  serve.calls.clear();
  serve.credit = serve.left = 0;
}

void Dispatch() {
  for (unsigned at = 0; at < 2 * kEndpoints; at += 2) {
    Channel& serve = m.channels[at];
    while (!m.queue.empty() && serve.credit > 0 && !serve.left) {
      Call& call = m.calls[m.queue.front()];
      const __u64* const word = &lh_lane_next(&serve.in)->header.word;
      call.word = lh_word(LH_FULL, lh_tag(lh_load_acquire(word)) + 1);
      if (!Deliver(at, call.message)) break;
      call.state = Call::kDelivered;
      serve.calls.push_back(m.queue.front());
      m.queue.pop_front();
      --serve.credit;
    }
  }
}

// What threads say on `serve`.
void OnServe(unsigned number, const Message& message) {
  Channel& serve = m.channels[number];
  const lh_message& header = message.header;
  const unsigned index = lh_handle_index(header.call);
  const auto held = std::find(serve.calls.begin(), serve.calls.end(), index);
  const bool has = held != serve.calls.end() &&
                   header.call == m.calls[index].message.header.call;
  if (header.kind == LH_KIND_EMPTY && header.aux > 0 &&
      serve.credit + header.aux < kSlots) {
    serve.credit += header.aux;
  } else if (header.kind == LH_KIND_LEAVE && has && !serve.left) {
    serve.left = 1;
    while (Revoke(serve)) continue;
  } else if (header.kind == LH_KIND_ENTER && has && serve.left) {
    serve.left = 0;
  } else if (header.kind == LH_KIND_REPLY && has) {
    serve.calls.erase(held);
    serve.left = 0;
    ++serve.credit;
    m.calls[index].state = Call::kFree;
    const bool good = header.code <= 16;
    if (!good) Refuse(number);
    Tell(m.calls[index], good ? header.code : kInternal, message.bytes);
  } else {
    Refuse(number);
  }
}

void OnNewCall(Call& call, const Message& message) {
  const lh_message& header = message.header;
  const auto index = static_cast<unsigned>(&call - m.calls.data());
  const bool peer = header.data < m.peers.size();
  const bool late = header.deadline != 0 && header.deadline <= Now();
  const auto server = m.listeners.find(peer ? m.peers[header.data] : 0);
  const bool there = server != m.listeners.end();
  const auto method =
      m.methods.find({there ? server->second : m.servers, header.code});
  const __u64 status = !peer                       ? kInvalid
                       : late                      ? kExpired
                       : !there                    ? kUnavailable
                       : method == m.methods.end() ? kUnimplemented
                                                   : 0;
  call.handle = header.call;
  if (status != 0 || call.state != Call::kFree) {
    const __u8 kind = status != 0 ? LH_KIND_REPLY : LH_KIND_BUSY;
    return Answer(call.channel, kind, header.call, status, "not begun");
  }
  call.open = true;
  call.state = Call::kQueued;
  const __u64 handle = lh_handle(index, ++call.generation);
  const lh_command_method& to = method->second;
  call.message = message;  // its deadline and bytes stay
  call.message.header.call = handle;
  call.message.header.code = to.code;
  call.message.header.data = to.data;
  call.message.header.aux = to.index;
  lh_store_release(&region->words[index].word, lh_handle(0, call.generation));
  m.queue.push_back(index);
}

// Lets the next thread wait where the last one has closed, or a kernel for it.
__u64 Reopen(__u64 handle) {
  const __u64 endpoint = handle - lh_handle(0, 1);
  if (endpoint >= kEndpoints) return kNotFound;
  const unsigned number = 2 * static_cast<unsigned>(endpoint);
  Channel &serve = m.channels[number], &call = m.channels[number + 1];
  const bool closed = lh_is_closed(&serve.in) && lh_is_closed(&call.in);
  if (!closed) return kPrecondition;
  // What its thread has answered counts.
  for (Message message; Collect(number, &message);) OnServe(number, message);
  Abandon(serve);
  while (lh_revoke(&call.in)) continue;
  for (unsigned slot = 0; slot < 2 * kSlots; ++slot) {  // once around each
    lh_lane* const in = slot < kSlots ? &serve.in : &call.in;
    lh_reopen(in);
    lh_lane_advance(in);
  }
  return 0;
}

// A command: its status, and what it made.
__u64 Run(const Message& message, __u64* made) {
  constexpr std::size_t kNo = ~0ull;  // a command that is not known
  constexpr std::size_t kSizes[] = {kNo, 0, kNo, 40, 32, 32, kNo, 8};
  const __u64 code = message.header.code;
  if (code >= std::size(kSizes) || kSizes[code] == kNo) return kUnimplemented;
  union {
    __u64 server;  // each has it first
    lh_command_method method;
    lh_command_listen listen;
  } command = {};
  const std::size_t size = message.bytes.size(), fixed = kSizes[code];
  std::memcpy(&command, message.bytes.data(), std::min(size, fixed));
  const bool named = code == LH_COMMAND_METHOD_ADD;
  const unsigned name = named ? command.method.name_length : 0;
  if (size != fixed + name || name > LH_METHOD_NAME_MAX) return kInvalid;
  unsigned port = command.listen.address.port;
  if (code == LH_COMMAND_ENDPOINT_REOPEN) return Reopen(command.server);
  if (code == LH_COMMAND_SERVER_OPEN) {
    *made = m.servers++;
  } else if (code == LH_COMMAND_CONNECT) {
    *made = m.peers.size();
    m.peers.push_back(port);
  } else if (command.server >= m.servers) {
    return kNotFound;
  } else if (named) {
    const auto key = std::make_pair(command.server, command.method.method);
    if (!m.methods.insert({key, command.method}).second) return kExists;
  } else {
    if (port == 0) port = m.next_port++;
    if (!m.listeners.insert({port, command.server}).second) return kExists;
    *made = port;
  }
  return 0;
}

// What they say on `call`.
void OnCall(unsigned number, const Message& message) {
  const lh_message& header = message.header;
  Channel& channel = m.channels[number];
  Call* const call = OwnCall(header.call);
  if (header.kind == LH_KIND_CALL && call != nullptr && call->handle == 0 &&
      header.aux <= kEndpoints) {
    call->channel = header.aux ? 2 * header.aux - 1u : number;
    OnNewCall(*call, message);
  } else if (header.kind == LH_KIND_CANCEL && call != nullptr) {
    if (!call->open || call->handle != header.call) return;
    EndEarly(*call, kCancelled, LH_CALL_CANCELLED);
  } else if (header.kind == LH_KIND_CONTROL && channel.commands < 2) {
    ++channel.commands;
    __u64 made = 0;
    const __u64 status = Run(message, &made);
    Answer(number, LH_KIND_RESULT, header.call, status, "", made);
  } else {
    Refuse(number);
  }
}

// Whether there was anything to do.
bool Turn() {
  bool busy = false;
  for (__u64& word : region->bell.bits) busy |= lh_bell_take(&word) != 0;
  for (unsigned at = 0; at < 2 * kEndpoints; ++at) {
    for (Message message; Collect(at, &message); busy = true) {
      at % 2 == 0 ? OnServe(at, message) : OnCall(at, message);
    }
  }
  for (Call& call : m.calls) {
    const __u64 deadline = call.message.header.deadline;
    const bool late = deadline != 0 && deadline <= Now();
    if (call.open && late) EndEarly(call, kExpired, LH_CALL_EXPIRED);
  }
  Dispatch();
  for (unsigned at = 0; at < 2 * kEndpoints; ++at) busy |= DeliverBacklog(at);
  return busy;
}

// Says that it sleeps, looks once more, and sleeps.
void Sleep(pollfd* files) {
  lh_store_release(&region->info.asleep, 1);
  lh_bell_leave(0);
  bool work = ResetWanted(), open = false;
  for (Channel& channel : m.channels) {
    work |= lh_collect_begin(&channel.out) != nullptr;
    work |= !channel.backlog.empty() && lh_deliver_begin(&channel.in);
  }
  for (__u64& word : region->bell.bits) work |= lh_load_acquire(&word) != 0;
  for (const Call& call : m.calls) open |= call.open;
  // Deadlines are looked at once a millisecond.
  if (!work) poll(files, 2, open ? 1 : -1);
  lh_store_release(&region->info.asleep, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: device REGION RING\n", stderr), 2;
  const int file = open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool sized = ftruncate(file, sizeof(Region)) == 0;
  void* const memory = mmap(nullptr, sizeof(Region), PROT_READ | PROT_WRITE,
                            MAP_SHARED, file, 0);
  // Open for writing, too: a pipe without a writer is at its end.
  int ring = mkfifo(argv[2], 0600);
  if (ring == 0) ring = open(argv[2], O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (!sized || ring < 0 || memory == MAP_FAILED) return perror("device"), 1;
  region = static_cast<Region*>(memory);
  BeginEpoch();
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  // Until standard input ends.
  pollfd files[] = {{ring, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (files[1].revents == 0) {
    char rings[4096];
    if (ResetWanted()) BeginEpoch();
    if (Turn()) continue;
    Sleep(files);
    while (read(ring, rings, sizeof(rings)) > 0) continue;
  }
}
