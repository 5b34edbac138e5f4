// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kit/host.h"

#include <sched.h>
#include <time.h>

#include <algorithm>

#include "abi/wire/packet.h"

namespace lauberhorn::conformance {
namespace {

using Clock = std::chrono::steady_clock;
using testing::ChannelOf;

std::string Shown(const TakenMessage& message) {
  return "kind " + std::to_string(message.header.kind) + ", call " +
         Hex(message.header.call) + ", code " + Hex(message.header.code) +
         ", \"" + message.payload.substr(0, 80) + "\"";
}

}  // namespace

void ExpectEqual(unsigned long long found, unsigned long long expected,
                 const std::string& what) {
  Expect(found == expected, what + " " + Hex(expected), Hex(found));
}

std::string Hex(unsigned long long number) {
  if (number < 10'000) return std::to_string(number);
  std::string digits;
  for (; number > 0; number /= 16) digits += "0123456789abcdef"[number % 16];
  return "0x" + std::string(digits.rbegin(), digits.rend());
}

std::uint64_t MethodId(std::string_view name) {
  std::uint64_t id = LH_METHOD_ID_BASIS;
  for (const char byte : name) {
    id = (id ^ static_cast<std::uint8_t>(byte)) * LH_METHOD_ID_PRIME;
  }
  return id;
}

Host::Host(RegionFile& region, const HostOptions& options)
    : region_(region),
      options_(options),
      epoch_(lh_load_acquire(&region.info().driver_epoch)) {}

void Host::Reset() {
  lh_info& info = region_.info();
  const std::uint64_t device = lh_load_acquire(&info.device_epoch);
  lh_store_release(&info.driver_epoch, ++epoch_);
  lh_store_release(&info.request, LH_REQUEST_RESET);
  lh_light_fence(0);
  if (lh_load_acquire(&info.asleep) != 0) region_.Ring();
  Until("READY with a new device_epoch after a RESET", [&] {
    return lh_load_acquire(&info.status) == LH_STATUS_READY &&
           lh_load_acquire(&info.device_epoch) != device;
  });
  layout_ = ReadLayout(region_);
  CheckParts(region_, layout_);
  serve_.clear();
  call_.clear();
  for (std::uint32_t at = 0; at < endpoints(); ++at) {
    serve_.emplace_back(region_.base(), layout_.process, at, ChannelOf::kServe);
    call_.emplace_back(region_.base(), layout_.process, at, ChannelOf::kCall);
  }
  control_ = layout_.process.control_endpoint;
  Expect(control_ < endpoints(), "a control endpoint of the process",
         "it is number " + Hex(control_) + " of " + Hex(endpoints()));
  calls_ = 0;
}

std::uint32_t Host::endpoint(std::uint32_t number) const {
  const std::uint32_t at = number < control_ ? number : number + 1;
  if (at >= endpoints()) {
    throw NotApplicable{"the process has " + std::to_string(endpoints()) +
                        " endpoints only"};
  }
  return at;
}

bool Host::IsWithout(std::string_view rule) const {
  return std::find(options_.without.begin(), options_.without.end(), rule) !=
         options_.without.end();
}

lh_command_handle Host::HandleOf(std::uint32_t endpoint) const {
  const lh_endpoint_layout& layout = layout_.endpoints.at(endpoint);
  return {lh_handle(layout.index, layout.generation)};
}

void Host::Close(std::uint32_t endpoint) {
  Expect(serve(endpoint).Close() && call(endpoint).Close(),
         "lanes without a message, which can be closed", "there is a message");
}

void Host::Reopen(std::uint32_t endpoint) {
  Good(LH_COMMAND_ENDPOINT_REOPEN, Bytes(HandleOf(endpoint)));
}

std::size_t Host::most_payload() const {
  return std::min<std::size_t>(most(), LH_PACKET_MAX - sizeof(lh_packet));
}

std::uint64_t Host::CallWord(std::uint64_t call) {
  const std::uint64_t index = lh_handle_index(call);
  const std::uint64_t offset =
      layout_.process.call_words + index * sizeof(lh_call_word);
  Expect(offset + sizeof(lh_call_word) <= region_.size(),
         "a handle whose call word is in the region", "index " + Hex(index));
  return lh_load_acquire(&At<lh_call_word>(offset)->word);
}

std::uint64_t Host::Now() const {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t host =
      static_cast<std::uint64_t>(now.tv_sec) * 1000000000u +
      static_cast<std::uint64_t>(now.tv_nsec);
  return static_cast<std::uint64_t>(
      static_cast<unsigned __int128>(host - info().clock_base) *
          info().clock_mult >>
      info().clock_shift);
}

bool Host::Within(std::chrono::milliseconds patience,
                  const std::function<bool()>& condition) {
  const Clock::time_point end = Clock::now() + patience;
  for (unsigned looks = 0; !condition(); ++looks) {
    if (Clock::now() > end) return condition();
    if (looks > 100) {
      // The device may need this CPU.
      const timespec moment = {.tv_sec = 0, .tv_nsec = 20'000};
      nanosleep(&moment, nullptr);
    } else {
      sched_yield();
    }
  }
  return true;
}

void Host::Until(const std::string& expected,
                 const std::function<bool()>& condition) {
  Expect(Within(condition), expected,
         "nothing of the kind in " + std::to_string(options_.patience.count()) +
             " ms");
}

void Host::Put(HostChannel& channel, const lh_message& header,
               std::string_view payload, bool length_as_given) {
  const int before = channel.rings();
  Until("an `out` slot collected",
        [&] { return channel.Put(header, payload, length_as_given); });
  if (channel.rings() != before) region_.Ring();
}

void Host::BeforeSleep(HostChannel& channel) {
  const int before = channel.rings();
  channel.BeforeSleep();
  if (channel.rings() != before) region_.Ring();
}

void Host::Nudge(HostChannel& channel) {
  lh_bell_set(&channel.channel().bell);
  lh_light_fence(0);
  if (lh_load_acquire(channel.channel().bell.asleep) != 0) region_.Ring();
}

bool Host::IsServe(const HostChannel& channel) const {
  for (const HostChannel& serve : serve_) {
    if (&serve == &channel) return true;
  }
  return false;
}

TakenMessage Host::AwaitHeld(HostChannel& channel, lh_line** held,
                             const std::string& what) {
  TakenMessage message;
  BeforeSleep(channel);
  Until(what, [&] { return channel.Take(&message, held); });
  Expect(message.header.length <= most(),
         "a message of at most " + Hex(most()) + " bytes",
         "length " + Hex(message.header.length));
  Expect((message.header.flags & ~unsigned{LH_FLAGS}) == 0,
         "no flags but those of message.h", Hex(message.header.flags));
  const std::uint8_t kind = message.header.kind;
  const bool known =
      kind == LH_KIND_QUARANTINED ||
      (IsServe(channel) ? kind == LH_KIND_CALL || kind == LH_KIND_RETIRE
                        : kind == LH_KIND_REPLY || kind == LH_KIND_BUSY ||
                              kind == LH_KIND_RESULT);
  Expect(known, "a kind that this channel carries to the host", Shown(message));
  return message;
}

TakenMessage Host::Await(HostChannel& channel, const std::string& what) {
  lh_line* held = nullptr;
  TakenMessage message = AwaitHeld(channel, &held, what);
  channel.Release(held);
  return message;
}

std::uint64_t Host::PutCommand(HostChannel& channel, std::uint64_t command,
                               std::string_view payload) {
  lh_message header = {};
  header.kind = LH_KIND_CONTROL;
  header.code = command;
  header.call = ++commands_;
  Put(channel, header, payload);
  return commands_;
}

TakenMessage Host::Command(std::uint64_t command, std::string_view payload) {
  const std::uint64_t number = PutCommand(call(control_), command, payload);
  TakenMessage result =
      Await(call(control_), "the RESULT of command " + Hex(command));
  Expect(result.header.kind == LH_KIND_RESULT && result.header.call == number &&
             result.header.code <= 16,
         "the RESULT of command " + Hex(command) + ", number " + Hex(number),
         Shown(result));
  return result;
}

std::uint64_t Host::Good(std::uint64_t command, std::string_view payload) {
  const TakenMessage result = Command(command, payload);
  Expect(result.header.code == kOk, "command " + Hex(command) + " to succeed",
         Shown(result));
  return result.header.data;
}

void Host::Settle() {
  for (int times = 0; times < 4; ++times) Command(LH_COMMAND_NONE);
}

Host::Pair Host::ServePair() {
  Pair pair;
  pair.service = Serve();
  pair.worker = endpoint(0);
  pair.caller = endpoint(1);
  Empty(pair.worker);
  return pair;
}

Host::Pair Host::ServeCall() {
  Pair pair = ServePair();
  pair.made = Call(pair.service, pair.caller);
  pair.arrived = AwaitCall(pair.worker).header.call;
  return pair;
}

std::uint64_t Host::OpenServer() { return Good(LH_COMMAND_SERVER_OPEN); }

std::uint64_t Host::AddMethod(std::uint64_t server, std::string_view name,
                              std::uint64_t* status) {
  lh_command_method method = {};
  method.server = server;
  method.method = MethodId(name);
  method.code = kCode;
  method.data = kData;
  method.index = kIndex;
  method.name_length = static_cast<std::uint16_t>(name.size());
  const std::string payload = Bytes(method) + std::string(name);
  if (status == nullptr) return Good(LH_COMMAND_METHOD_ADD, payload);
  const TakenMessage result = Command(LH_COMMAND_METHOD_ADD, payload);
  *status = result.header.code;
  return result.header.data;
}

std::uint16_t Host::Listen(std::uint64_t server, std::uint16_t port) {
  lh_command_listen listen = {};
  listen.server = server;
  listen.address = options_.address;
  listen.address.port = port;
  const std::uint64_t got = Good(LH_COMMAND_LISTEN, Bytes(listen));
  Expect(got > 0 && got < 65'536 && (port == 0 || got == port),
         "the port in the RESULT of LISTEN", Hex(got));
  return static_cast<std::uint16_t>(got);
}

std::uint64_t Host::Connect(std::uint16_t port) {
  lh_command_listen connect = {};
  connect.address = options_.address;
  connect.address.port = port;
  return Good(LH_COMMAND_CONNECT, Bytes(connect));
}

Host::Service Host::Serve() {
  Service service;
  service.server = OpenServer();
  AddMethod(service.server, kMethodName);
  service.port = Listen(service.server);
  service.peer = Connect(service.port);
  return service;
}

lh_message Host::NewCall(const Service& service) {
  const std::uint32_t count = layout_.process.call_count;
  const std::uint32_t number = calls_++;
  lh_message header = {};
  header.kind = LH_KIND_CALL;
  header.call = lh_handle(layout_.process.call_first + number % count,
                          1 + number / count);
  header.code = MethodId(kMethodName);
  header.data = service.peer;
  return header;
}

std::uint64_t Host::Call(const Service& service, std::uint32_t endpoint,
                         std::string_view payload, std::uint64_t deadline) {
  lh_message header = NewCall(service);
  header.deadline = deadline;
  Put(call(endpoint), header, payload);
  return header.call;
}

std::uint64_t Host::CallNobody(std::uint32_t endpoint,
                               std::uint32_t answered_at) {
  lh_message header = NewCall({});
  header.data = ~std::uint64_t{0};
  header.aux = static_cast<std::uint16_t>(answered_at);
  Put(call(endpoint), header);
  return header.call;
}

void Host::Empty(std::uint32_t endpoint, std::uint16_t count) {
  lh_message header = {};
  header.kind = LH_KIND_EMPTY;
  header.aux = count;
  Put(serve(endpoint), header);
}

void Host::Reply(std::uint32_t endpoint, std::uint64_t call,
                 std::string_view payload, std::uint64_t status) {
  lh_message header = {};
  header.kind = LH_KIND_REPLY;
  header.call = call;
  header.code = status;
  Put(serve(endpoint), header, payload);
}

void Host::Say(HostChannel& channel, std::uint8_t kind, std::uint64_t call) {
  lh_message header = {};
  header.kind = kind;
  header.call = call;
  Put(channel, header);
}

TakenMessage Host::AwaitCall(std::uint32_t endpoint) {
  TakenMessage message =
      Await(serve(endpoint), "a CALL at endpoint " + Hex(endpoint));
  Expect(message.header.kind == LH_KIND_CALL,
         "a CALL at endpoint " + Hex(endpoint), Shown(message));
  return message;
}

TakenMessage Host::AwaitEnd(std::uint32_t endpoint, std::uint64_t call) {
  TakenMessage message =
      Await(this->call(endpoint), "the end of call " + Hex(call));
  Expect(message.header.kind == LH_KIND_REPLY && message.header.call == call &&
             message.header.code <= 16,
         "the end of call " + Hex(call), Shown(message));
  return message;
}

TakenMessage Host::AwaitEnd(std::uint32_t endpoint, std::uint64_t call,
                            std::uint64_t status) {
  TakenMessage message = AwaitEnd(endpoint, call);
  Expect(message.header.code == status,
         "the end of call " + Hex(call) + " with status " + Hex(status),
         Shown(message));
  return message;
}

}  // namespace lauberhorn::conformance
