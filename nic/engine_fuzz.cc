// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The engine under a host that is not to be trusted: it puts messages with any
// header, names handles that it was given and others, and writes any words into
// the memory that it shares with the NIC. The process calls itself over a
// network in memory, in simulated time.
//
// Holds: the engine ends each turn and comes to rest; it wakes only words of
// its region. As long as the host keeps to the words' edges: a call and a
// command are answered once at most for each time they were put, a call comes
// to one thread only, and all that comes is well-formed.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "abi/host/control.h"
#include "nic/engine.h"
#include "nic/testing/fuzz_input.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"

namespace lauberhorn::nic {
namespace {

using testing::FuzzInput;
using testing::HostChannel;
using testing::Require;
using testing::TestAddress;

constexpr std::uint16_t kPort = 50051;
constexpr std::uint32_t kEndpoints = 3;
constexpr int kSteps = 300;
// More than enough for all that can lie in the lanes and on the wires.
constexpr int kTurnsToRest = 2000;

RegionOptions SmallRegion() {
  RegionOptions options;
  options.endpoints = kEndpoints;
  options.slots = 2;
  options.arrived_calls = 8;
  options.own_calls = 8;
  return options;
}

EngineOptions SmallEngine() {
  EngineOptions options;
  options.secret.fill(7);
  options.sessions = 2;
  options.peers = 2;
  options.calls = 6;
  return options;
}

class Fuzz final : private Waker {
 public:
  explicit Fuzz(const FuzzInput& input) : input_(input) {
    for (std::uint32_t endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      channels_.emplace_back(region_.base(), endpoint, Which::kServe);
      channels_.emplace_back(region_.base(), endpoint, Which::kCall);
    }
    region_.Ready();
  }

  void Run() {
    for (int step = 0; step < kSteps && !input_.empty(); ++step) {
      switch (input_.Below(8)) {
        case 0:
          Pass();
          break;
        case 1:
          WriteAnything();
          break;
        case 2:
          Sleep();
          break;
        case 3:
          PutAny();
          break;
        case 4:
          PutControl();
          break;
        case 5:
          PutCall();
          break;
        default:
          Serve();
      }
      TakeAll();
    }
    Rest();
  }

 private:
  void Wake(std::uint32_t endpoint, __u64* word) override {
    Require(endpoint < kEndpoints, "who is woken is there");
    const auto* const at = reinterpret_cast<const std::uint8_t*>(word);
    Require(at >= memory_.bytes().data() &&
                at + sizeof(*word) <=
                    memory_.bytes().data() + memory_.bytes().size(),
            "what is woken lies in the region");
  }

  void Poll() {
    network_.Advance(now_);
    next_ = engine_.Poll(now_);
  }

  void Pass() {
    now_ += input_.Time();
    Poll();
  }

  // Time stands still and the host says nothing.
  void Rest() {
    ++now_;
    int turns = 0;
    do {
      Poll();
    } while (next_ <= now_ && ++turns < kTurnsToRest);
    Require(turns < kTurnsToRest, "the engine comes to rest");
  }

  void Sleep() {
    Rest();
    if (engine_.TryToSleep()) engine_.Awake();
  }

  // Into what a process can write, which is all but the information page:
  // states of channels, bells, call words, lanes, overflow blocks, hints, and
  // last its tables.
  void WriteAnything() {
    if (input_.Byte() < 200) return;  // mostly a host that means well
    honest_ = false;
    const std::uint64_t first = states_;
    const std::uint64_t words =
        (memory_.bytes().size() - sizeof(lh_info)) / sizeof(std::uint64_t);
    std::uint64_t word = input_.Take<std::uint32_t>() % words;
    std::uint64_t value = input_.Take<std::uint64_t>();
    if (input_.Byte() < 128) {  // the word of a line
      const std::uint32_t lines = 4 * kEndpoints * region_.options().slots;
      word = (lines_ - first +
              input_.Take<std::uint16_t>() % lines * sizeof(lh_line)) /
             sizeof(std::uint64_t);
      value = input_.Byte() % 16ull << 60 | input_.Byte();
    }
    std::uint64_t at = first + word * sizeof(value);
    if (at >= memory_.bytes().size()) {
      at -= memory_.bytes().size() - sizeof(lh_info);
    }
    std::memcpy(region_.base() + at, &value, sizeof(value));
  }

  HostChannel& Channel(Which which) {
    return channels_[2 * input_.Below(kEndpoints) +
                     static_cast<std::uint32_t>(which)];
  }

  std::uint64_t Handle() {
    const std::size_t which = input_.Below(handles_.size() + 1);
    return which < handles_.size() ? handles_[which] : input_.Byte();
  }

  std::string Payload() {
    const absl::Span<const std::uint8_t> bytes =
        input_.Bytes(input_.Below(200));
    return {bytes.begin(), bytes.end()};
  }

  void Put(HostChannel& channel, const lh_message& header,
           absl::string_view payload, bool as_given = false) {
    const bool put = channel.Put(header, payload, as_given);
    if (put &&
        (header.kind == LH_KIND_CALL || header.kind == LH_KIND_CONTROL)) {
      ++asked_[{header.kind, header.call}];
    }
    Poll();
  }

  void PutAny() {
    lh_message header = {};
    header.kind = static_cast<__u8>(input_.Below(20));
    header.flags = static_cast<__u8>(input_.Byte() < 128 ? 0 : input_.Byte());
    header.call = Handle();
    header.code = input_.Byte();
    header.data = Handle();
    header.aux = input_.Take<std::uint16_t>();
    header.length = input_.Take<std::uint32_t>() >> input_.Below(32);
    header.deadline = input_.Take<std::uint64_t>() >> input_.Below(64);
    const bool as_given = input_.Byte() < 64;
    HostChannel& channel =
        Channel(input_.Byte() < 128 ? Which::kServe : Which::kCall);
    Put(channel, header, Payload(), as_given);
  }

  void PutControl() {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.call = input_.Below(4);
    header.code = 1 + input_.Below(LH_COMMAND_PEER_STATE);
    std::string payload;
    const auto add = [&payload](const auto& command) {
      payload.append(reinterpret_cast<const char*>(&command), sizeof(command));
    };
    switch (header.code) {
      case LH_COMMAND_SERVER_OPEN:
        break;
      case LH_COMMAND_SERVER_CLOSE:
        add(lh_command_close{.server = Handle(),
                             .deadline = input_.Byte() % 2 * (now_ + kSecond)});
        break;
      case LH_COMMAND_METHOD_ADD:
        add(lh_command_method{.server = Handle(),
                              .method = input_.Below(3),
                              .code = 1,
                              .data = 2,
                              .index = 3,
                              .name_length = 4,
                              .reserved = 0});
        payload += input_.Byte() < 200 ? "/a/B" : "/a/Bc";
        break;
      case LH_COMMAND_METHOD_NAME:
        add(lh_command_method_name{
            .method = input_.Below(3), .name_length = 4, .reserved = {}});
        payload += input_.Byte() < 200 ? "/a/B" : "/a/C";
        break;
      case LH_COMMAND_LISTEN:
      case LH_COMMAND_CONNECT: {
        const Address address = TestAddress(
            static_cast<std::uint8_t>(1 + input_.Byte() / 200), kPort);
        add(lh_command_listen{.server = Handle(), .address = address.raw()});
        break;
      }
      case LH_COMMAND_PEER_STATE:
        add(lh_command_peer_state{
            .peer = Handle(),
            .deadline = input_.Byte() % 2 * (now_ + kSecond),
            .known = static_cast<__u32>(input_.Below(5)),
            .flags = static_cast<__u32>(input_.Below(2))});
        break;
      case LH_COMMAND_LIMITS:
        add(lh_command_limits{.running = input_.Byte(),
                              .threads = input_.Byte(),
                              .queued = input_.Byte(),
                              .reserved = 0});
        break;
      default:
        add(lh_command_handle{Handle()});
    }
    Put(Channel(Which::kCall), header, payload);
  }

  void PutCall() {
    lh_message header = {};
    header.kind = input_.Byte() < 200 ? LH_KIND_CALL : LH_KIND_CANCEL;
    header.call = lh_handle(SmallRegion().arrived_calls +
                                static_cast<std::uint32_t>(input_.Below(9)),
                            static_cast<std::uint32_t>(input_.Below(4)));
    header.code = input_.Below(3);
    header.data = Handle();
    header.aux = static_cast<__u16>(input_.Below(kEndpoints + 2));
    const std::uint8_t left = input_.Byte();
    header.deadline = left < 128 ? 0 : now_ + left * kMillisecond;
    header.flags = left % 2 == 0 ? 0 : LH_FLAG_WAIT_FOR_READY;
    Put(Channel(Which::kCall), header, Payload());
  }

  // What a thread that serves says.
  void Serve() {
    static constexpr __u8 kKinds[] = {LH_KIND_EMPTY, LH_KIND_REPLY,
                                      LH_KIND_LEAVE, LH_KIND_ENTER};
    const std::size_t endpoint = input_.Below(kEndpoints);
    HostChannel& channel = channels_[2 * endpoint];
    const std::uint8_t what = input_.Byte();
    if (what >= 250) {
      channel.Close();
      channels_[2 * endpoint + 1].Close();
      return Poll();
    }
    if (what >= 230) {
      channel.Park();
      return Poll();
    }
    lh_message header = {};
    header.kind = kKinds[what % 4];
    header.call = taken_[endpoint];
    header.aux = static_cast<__u16>(what % 3);
    header.code = what % 17;
    Put(channel, header, Payload());
  }

  void TakeAll() {
    for (std::uint32_t number = 0; number < channels_.size(); ++number) {
      if (!honest_ || input_.Byte() < 200) Take(number);
    }
  }

  // The payload is left where it is: after words that mean nothing, the length
  // that a line states means nothing, too.
  void Take(std::uint32_t number) {
    lh_lane& in = channels_[number].channel().in;
    lh_line* const line = lh_take(&in);
    if (line == nullptr) return;
    const lh_message header = line->header;
    lh_release(&in, line);
    if (header.kind == LH_KIND_RESULT && header.code == 0 &&
        handles_.size() < 64) {
      handles_.push_back(header.data);
    }
    const bool serve = number % 2 == 0;
    if (serve && header.kind == LH_KIND_CALL) taken_[number / 2] = header.call;
    if (!honest_) return;
    Require(header.length <= kMaxPayload, "a length fits into its slot");
    if (serve) {
      Require(header.kind == LH_KIND_CALL || header.kind == LH_KIND_RETIRE,
              "calls and RETIRE come to those that serve");
      if (header.kind == LH_KIND_CALL) {
        Require(header.code == 1 && header.data == 2 && header.aux == 3,
                "a call has the words of its method");
        Require(arrived_.insert(header.call).second,
                "a call comes to one thread only");
      }
      return;
    }
    const bool result = header.kind == LH_KIND_RESULT;
    Require(
        result || header.kind == LH_KIND_REPLY || header.kind == LH_KIND_BUSY,
        "answers come to those that ask");
    const auto asked =
        asked_.find({result ? LH_KIND_CONTROL : LH_KIND_CALL, header.call});
    Require(asked != asked_.end() && asked->second-- > 0,
            "an answer was asked for");
  }

  FuzzInput input_;
  testing::MemoryNetwork network_{1};
  testing::RegionMemory memory_{SmallRegion()};
  Region region_{SmallRegion(), memory_.bytes()};
  std::unique_ptr<WireFactory> wires_ = network_.Host(TestAddress(1));
  const std::uint64_t states_ = region_.channel(0)->state;
  const std::uint64_t lines_ = region_.channel(0)->out.lines;
  Engine engine_{SmallEngine(), region_, *wires_, static_cast<Waker&>(*this)};
  std::vector<HostChannel> channels_;
  Nanos now_ = 1000 * kSecond;
  Nanos next_ = 0;
  bool honest_ = true;  // with the words of its lanes
  std::vector<std::uint64_t> handles_;
  std::uint64_t taken_[kEndpoints] = {};  // calls, at last
  std::map<std::pair<int, std::uint64_t>, int> asked_;
  std::set<std::uint64_t> arrived_;
};

}  // namespace
}  // namespace lauberhorn::nic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  lauberhorn::nic::Fuzz({data, size}).Run();
  return 0;
}
