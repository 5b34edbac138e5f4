// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A NIC that means ill, between two that do not: a service that attaches to it,
// with all that it then does, comes to no harm, nor does the kernel.

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "nic/region.h"
#include "tests/vm/kmod/nic.h"
#include "tests/vm/serve/random.h"
#include "tests/vm/serve/service.h"

namespace lauberhorn::serve {
namespace {

constexpr kmod::NicOptions kOptions = {.endpoints = 16};
constexpr int kBursts = 2'000;

// Some words of the beginning of that memory.
void Spoil(void* memory, std::size_t size, Random& random) {
  auto* const words = static_cast<std::uint64_t*>(memory);
  for (int word = 0; word < 64; ++word) {
    words[Below(random, size / 8)] = SomeNumber(random);
  }
}

// What it does with the part of a process.
class Attack {
 public:
  Attack(const std::string& how, const kmod::Nic& nic,
         const lh_nic_event& event, Random& random)
      : how_(how),
        random_(random),
        epoch_(nic.attached().epoch),
        size_(event.size),
        base_(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED,
                   nic.file(), static_cast<off_t>(event.offset))) {
    if (base_ == MAP_FAILED) {
      ADD_FAILURE() << "no part";
      return;
    }
    region_ = std::make_unique<nic::Region>(
        kmod::PartOptions(kOptions),
        absl::MakeSpan(static_cast<std::uint8_t*>(base_), size_));
    if (how_ == "layout") Spoil(base_, sizeof(lh_info) + 4096, random_);
    region_->Ready(epoch_);
    if (how_ == "layout") region_->info()->magic = LH_MAGIC;
    for (std::uint32_t number = 0; number < region_->channels(); ++number) {
      out_.push_back(region_->OutLane(number));
      in_.push_back(region_->InLane(number));
    }
  }
  ~Attack() {
    if (base_ != MAP_FAILED) munmap(base_, size_);
  }
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;

  // How many messages it has made up and delivered.
  std::uint64_t delivered() const { return delivered_; }

  void Go() {
    if (how_ == "garbage") Spoil(base_, size_, random_);
    if (how_ == "epochs") {
      region_->info()->device_epoch = epoch_ + Below(random_, 3) - 1;
      region_->info()->status = Below(random_, 4);
    }
    if (how_ == "messages") {
      for (std::uint32_t number = 0; number < region_->channels(); ++number) {
        Answer(number);
      }
      Deliver(static_cast<std::uint32_t>(Below(random_, in_.size())),
              SomeMessage(random_));
    }
  }

 private:
  // Whatever is asked for has been done.
  void Answer(std::uint32_t number) {
    lh_line* const line = lh_collect_begin(&out_[number]);
    if (line == nullptr) return;
    lh_message answer = {};
    answer.kind = LH_KIND_RESULT;
    answer.call = line->header.call;
    answer.data = SomeNumber(random_);
    const bool command = line->header.kind == LH_KIND_CONTROL;
    lh_collect_end(&out_[number], line);
    if (command) Deliver(number, answer);
  }

  void Deliver(std::uint32_t number, const lh_message& message) {
    lh_line* const line = lh_deliver_begin(&in_[number]);
    if (line == nullptr) return;
    std::memcpy(&line->header.call, &message.call,
                sizeof(message) - sizeof(message.word));
    for (std::size_t at = 0; at < LH_INLINE_SIZE; at += 8) {
      const std::uint64_t word = SomeNumber(random_);
      std::memcpy(line->payload + at, &word, sizeof(word));
    }
    const lh_delivery delivery = lh_deliver_end(&in_[number], line);
    if (delivery == LH_DELIVERED || delivery == LH_DELIVERED_WAKE) {
      ++delivered_;
    }
  }

  const std::string how_;
  Random& random_;
  const std::uint64_t epoch_;
  const std::size_t size_;
  void* const base_;
  std::unique_ptr<nic::Region> region_;
  std::vector<lh_lane> out_;
  std::vector<lh_lane> in_;
  std::uint64_t delivered_ = 0;
};

// What it does with the kernel's own part: lines of CPUs and their channels, at
// which CPUs then look.
void SpoilKernelsPart(const kmod::Nic& nic, Random& random) {
  Spoil(nic.info(), nic.attached().device_size, random);
  EXPECT_EQ(nic.Interrupt(static_cast<__u32>(Below(random, 2))), 0);
}

// What it asks of the kernel.
void AskForAnything(const kmod::Nic& nic, Random& random) {
  lh_nic_wake wake = {};
  wake.endpoint = static_cast<__u32>(SomeNumber(random));
  wake.generation = static_cast<__u32>(SomeNumber(random));
  static_cast<void>(nic.Wake(&wake));
  wake.endpoint = static_cast<__u32>(Below(random, 64));
  wake.generation = static_cast<__u32>(Below(random, 3));
  static_cast<void>(nic.Wake(&wake));
  static_cast<void>(nic.Interrupt(static_cast<__u32>(SomeNumber(random))));
  static_cast<void>(nic.Answer(static_cast<__u32>(SomeNumber(random)),
                               static_cast<__u32>(Below(random, 3)),
                               static_cast<__u32>(Below(random, 200))));
  static_cast<void>(nic.End(static_cast<__u32>(SomeNumber(random)),
                            static_cast<__u32>(SomeNumber(random))));
}

class HostileNic : public ::testing::TestWithParam<const char*> {};

TEST_P(HostileNic, HarmsNobody) {
  Process good = StartNic();
  Service service("good");
  Caller(OpenKernelRuntime(), service.port()).CallUntilAnswered("Echo", "x");
  good.Kill();
  Random random(Seed());
  int attached = 0;
  std::uint64_t delivered = 0;
  {
    ASSERT_TRUE(DeviceComesToShow("status", "down"));
    const auto nic = kmod::Nic::Started(kOptions);
    std::map<std::uint32_t, std::unique_ptr<Attack>> attacks;
    for (int burst = 0; burst < kBursts || attached == 0; ++burst) {
      while (!nic->Quiet()) {
        const std::optional<lh_nic_event> event = nic->Next();
        if (!event.has_value()) break;
        if (event->kind == LH_NIC_EVENT_ATTACH) {
          attacks[event->process] =
              std::make_unique<Attack>(GetParam(), *nic, *event, random);
          static_cast<void>(nic->Answer(event->process, event->generation, 0));
          ++attached;
        }
        if (event->kind == LH_NIC_EVENT_LEFT) {
          const auto attack = attacks.find(event->process);
          if (attack == attacks.end()) continue;
          delivered += attack->second->delivered();
          attacks.erase(attack);
          EXPECT_EQ(nic->End(*event), 0);
        }
      }
      for (const auto& [place, attack] : attacks) attack->Go();
      if (GetParam() == std::string("kernel")) SpoilKernelsPart(*nic, random);
      AskForAnything(*nic, random);
      if (burst % 16 == 0) absl::SleepFor(absl::Milliseconds(1));
    }
    for (const auto& [place, attack] : attacks)
      delivered += attack->delivered();
    std::printf("attached %d times, %llu messages\n", attached,
                static_cast<unsigned long long>(delivered));
  }
  good = StartNic();
  Caller(OpenKernelRuntime(), service.port()).CallUntilAnswered("Echo", "x");
  EXPECT_EQ(service.End().twice, 0u);
}

INSTANTIATE_TEST_SUITE_P(By, HostileNic,
                         ::testing::Values("silence", "layout", "garbage",
                                           "epochs", "messages", "kernel"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace lauberhorn::serve
