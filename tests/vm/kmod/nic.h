// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/nic.h
//
// The NIC, played by the test: it attaches to the module, lays out the kernel's
// part and those of processes, and says RUN. It does nothing by itself.
//
// Thread-safety: none.
#ifndef LAUBERHORN_TESTS_VM_KMOD_NIC_H_
#define LAUBERHORN_TESTS_VM_KMOD_NIC_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/region.h"
#include "nic/kernel_channel.h"
#include "nic/kernel_region.h"
#include "nic/region.h"
#include "tests/vm/kmod/device.h"

namespace lauberhorn::kmod {

// A KernelCommand that prefers no CPU.
inline constexpr std::uint32_t kAnyCpu = ~std::uint32_t{0};

struct NicOptions {
  const char* node = kNicNode;
  std::uint32_t processes = 4;
  std::uint32_t endpoints = 4;
  std::uint64_t part_size = 0;  // what is needed, if less
  bool scheduler = true;        // wants to be told what runs where
};

// How the parts of processes are laid out.
nic::RegionOptions PartOptions(const NicOptions& options);

// A process that the NIC has accepted: its part, mapped here.
struct Part {
  lh_nic_event event = {};
  std::uint8_t* base = nullptr;
  std::unique_ptr<nic::Region> region;
};

class Nic {
 public:
  // Opens the node, and nothing else; dies if it cannot.
  explicit Nic(const NicOptions& options = {});
  ~Nic();
  Nic(const Nic&) = delete;
  Nic& operator=(const Nic&) = delete;

  // Opens, attaches, lays out and starts.
  static std::unique_ptr<Nic> Started(const NicOptions& options = {});

  int file() const { return file_; }
  const NicOptions& options() const { return options_; }
  lh_nic_attach Geometry() const;
  // With the geometry of the options, and maps the kernel's part.
  int Attach();
  int Attach(lh_nic_attach* attach);
  const lh_nic_attach& attached() const { return attached_; }
  // Lays the kernel's part out.
  void LayOut();
  int Start();
  std::uint64_t features() const { return features_; }
  void Close();

  lh_info* info() const { return reinterpret_cast<lh_info*>(base_); }
  // What it has laid out in the kernel's part.
  const nic::KernelRegion& region() const { return *region_; }
  // The state of the thread that is bound to an endpoint.
  lh_endpoint_state State(std::uint32_t endpoint) const;
  // Waits until the word says this; the test fails if that takes too long.
  bool Becomes(std::uint32_t endpoint, lh_endpoint_state state) const;

  // The next event; nothing if none comes for long.
  std::optional<lh_nic_event> Next();
  // The same of this kind; others are failures.
  lh_nic_event Next(lh_nic_event_kind kind);
  // Whether there is none now.
  bool Quiet() const;

  // Maps a process's part, lays it out, and accepts it.
  Part Accept(const lh_nic_event& event);
  Part Accept() { return Accept(Next(LH_NIC_EVENT_ATTACH)); }
  int Answer(std::uint32_t process, std::uint32_t generation,
             std::uint32_t error) const;
  int End(std::uint32_t process, std::uint32_t generation) const;
  int End(const lh_nic_event& event) const {
    return End(event.process, event.generation);
  }

  // Unmaps a process's part.
  void Forget(const lh_nic_event& event);

  // RUN by a call, for an endpoint of a process. The answer, or nothing if the
  // call failed.
  std::optional<lh_kernel_answer> Wake(const Part& part,
                                       std::uint32_t endpoint) const;
  int Wake(lh_nic_wake* wake) const;

  // A command for a CPU's kernel channel, and an interrupt unless it looks.
  void Command(std::uint32_t cpu, const nic::KernelCommand& command);
  int Interrupt(std::uint32_t cpu) const;
  bool HasRoom(std::uint32_t cpu) const;
  // The next answer, if there is one now; and if one comes before long.
  std::optional<nic::KernelAnswer> AnswerNow(std::uint32_t cpu);
  std::optional<nic::KernelAnswer> CommandAnswer(std::uint32_t cpu);
  // RUN for an endpoint of a process, on any CPU.
  nic::KernelCommand Run(const Part& part, std::uint32_t endpoint) const;

 private:
  const NicOptions options_;
  int file_;
  lh_nic_attach attached_ = {};
  std::uint8_t* base_ = nullptr;
  std::uint64_t features_ = 0;
  std::unique_ptr<nic::KernelRegion> region_;
  std::vector<nic::KernelChannel> channels_;
  std::vector<Part> parts_;
};

// Waits until something holds; false if that takes too long.
bool Eventually(const std::function<bool()>& holds);

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_NIC_H_
