// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulated_kernel.h
//
// A kernel that publishes its run queues, in simulated time: a few CPUs, shared
// by the threads of several simulated hosts, which are then processes of one
// machine. Threads go on only while they are on a CPU; they park, are woken by
// RUN or by something else, preempted, held, blocked and moved, and CPUs go
// away and come back, all after delays by chance and in steps between which the
// NIC may look. It keeps to what docs/dispatch.md asks of a kernel, unless it
// is told to make one mistake.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATED_KERNEL_H_
#define LAUBERHORN_NIC_TESTING_SIMULATED_KERNEL_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "abi/host/cpu.h"
#include "absl/strings/string_view.h"
#include "nic/kernel_channel.h"
#include "nic/processors.h"
#include "nic/testing/kernel_side.h"
#include "nic/testing/simulated_host.h"
#include "nic/testing/simulation.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

// X(name, what the kernel does wrong)
#define LAUBERHORN_KERNEL_MISTAKES(X)                                       \
  X(PARK_WITHOUT_RECHECK, "a thread looks only before it sets its state")   \
  X(EARLY_RUN_REFUSED, "RUN for a thread that does not sleep is forgotten") \
  X(RUN_LOST_ON_LEAVING, "a CPU that leaves its wait does not look again")  \
  X(DEPARTURE_UNTOLD, "who leaves a CPU is not in the ring")                \
  X(PARKED_UNTOLD, "the word of a thread that sleeps says that it runs")    \
  X(ANSWER_MISSING, "one RUN of eight is not answered")                     \
  X(REFUSED_AS_DONE, "a RUN that woke nobody is answered as if it had")

enum class KernelMistake {
  kNone,
#define LAUBERHORN_MISTAKE(name, meaning) name,
  LAUBERHORN_KERNEL_MISTAKES(LAUBERHORN_MISTAKE)
#undef LAUBERHORN_MISTAKE
};

// kNone if there is none of this name.
KernelMistake MistakeOf(absl::string_view name);

class SimulatedKernel final : private Interrupter {
 public:
  struct Options {
    std::uint32_t cpus = 2;
    std::uint32_t processes = 3;
    std::uint32_t endpoints = 8;  // of each process, at most
    std::uint32_t slots = 4;      // of kernel channels
    Nanos slice = kMillisecond;
    Nanos idle_wait = 100 * kMicrosecond;
    // The NIC is a thread of this machine: each turn is on one of its CPUs.
    bool nic_is_here = false;
    KernelMistake mistake = KernelMistake::kNone;
  };

  // The simulation outlives it.
  SimulatedKernel(Simulation& simulation, const Options& options);
  // Its processes end with it.
  ~SimulatedKernel() override;

  SimulatedKernel(const SimulatedKernel&) = delete;
  SimulatedKernel& operator=(const SimulatedKernel&) = delete;

  Processors& processors() { return processors_; }
  // How often a thread was woken by RUN.
  std::uint64_t woken() const { return woken_; }

  // Something happens to threads and CPUs, every now and then, until Calm().
  void Disturb();
  void Calm();

  // A process begins; its last incarnation has ended. Or it ends: so do its
  // threads.
  Processors::Attachment Attach(SimulatedHost& host);
  void Crash(SimulatedHost& host);

  // A thread of it begins; has ended.
  void Begin(SimulatedHost& host, SimulatedThread& thread);
  void End(SimulatedThread& thread);

  // Whether the thread is on a CPU, or is none that the kernel knows.
  bool MayRun(const SimulatedThread& thread) const;
  // It ran, and would go on at `next` by itself.
  void Ran(SimulatedThread& thread, Nanos next);

  // Around each turn of an engine.
  void BeforeTurn(Nanos now);
  void AfterTurn(Nanos now);

 private:
  static constexpr std::uint32_t kNobody = KernelSide::kNobody;

  enum State { kNoThread, kRunnable, kOnCpu, kAsleep, kBlocked, kDead };
  struct Thread {
    SimulatedHost* host = nullptr;
    SimulatedThread* thread = nullptr;
    State state = kNoThread;
    std::uint32_t cpu = kNobody;
    std::uint32_t number = 0;      // names the binding
    std::uint32_t generation = 0;  // of the endpoint
    std::uint32_t mask = 0;        // plus one; 0: any CPU
    std::uint64_t change = 0;      // counts, so that old events are known
    bool parking = false;          // between its slot's PARKED and its sleep
    bool checked = false;          // its state is set, and it looked once more
    bool remembered = false;       // a RUN that came while it was awake
    bool woken = false;            // while it was about to sleep
    bool slept = false;            // its wait is to end when it gets a CPU
    bool held = false;
    Nanos left_at = 0;  // it left its last CPU
  };
  struct Cpu {
    lh_cpu_mode mode = LH_CPU_IDLE;
    std::uint32_t runs = kNobody;
    std::uint64_t change = 0;
    bool slicing = false;  // an event is to come that ends its slice
  };

  Nanos now() const { return simulation_.now(); }
  Random& random() { return simulation_.random(); }
  bool Is(KernelMistake mistake) const { return options_.mistake == mistake; }
  // Soon, unless the thread or the CPU has changed until then.
  template <typename Event>
  void Later(Nanos most, const Thread& thread, Event event);
  template <typename Event>
  void Later(Nanos most, const Cpu& cpu, Event event);

  std::uint32_t EndpointOf(const SimulatedHost& host,
                           std::uint32_t endpoint) const;
  std::uint32_t EndpointOf(const SimulatedThread& thread) const;
  void SetWord(std::uint32_t endpoint, lh_endpoint_state state);
  void SayWhereItMayRun(std::uint32_t endpoint);
  bool Allowed(const Thread& thread, std::uint32_t cpu) const;

  // The scheduler.
  std::uint32_t TakeRunnable(std::uint32_t cpu);
  void MakeRunnable(std::uint32_t endpoint, std::uint32_t preferred);
  void Schedule(std::uint32_t cpu);
  void SwitchTo(std::uint32_t cpu, std::uint32_t endpoint);
  void Preempt(std::uint32_t cpu);
  void GiveAway(std::uint32_t cpu, lh_cpu_mode mode, Nanos most);
  void Publish(std::uint32_t cpu, lh_cpu_mode mode, std::uint32_t endpoint);
  void Tell(std::uint32_t cpu, const KernelSide::Doing& doing);
  void Slice(std::uint32_t cpu);
  void SliceAll();
  void GoIdle(std::uint32_t cpu);
  KernelSide::Doing DoingOf(const Cpu& cpu) const {
    return {.mode = cpu.mode,
            .endpoint = cpu.runs,
            .nr = cpu.mode <= LH_CPU_IDLE_WAIT ? 0u : 1u};
  }
  bool IsIdle(const Cpu& cpu) const {
    return cpu.mode == LH_CPU_IDLE || cpu.mode == LH_CPU_IDLE_WAIT;
  }

  // Parks and wakes.
  void Park(std::uint32_t endpoint);
  void Sleep(std::uint32_t endpoint);
  void Unpark(std::uint32_t endpoint);
  void WakeUp(std::uint32_t endpoint, std::uint32_t cpu);

  // Commands.
  void Interrupt(std::uint32_t cpu) override;
  void Execute(std::uint32_t cpu);
  lh_kernel_answer Judge(std::uint32_t cpu, const KernelCommand& command);

  // The NIC gets a CPU for its turn, and displaces whoever is there.
  void BeginTurn();
  void EndTurn();

  void Trouble();

  Simulation& simulation_;
  const Options options_;
  KernelMemory memory_;
  KernelSide side_;
  Processors processors_;
  std::vector<Thread> threads_;  // by endpoint
  std::vector<Cpu> cpus_;
  std::deque<std::uint32_t> runnable_;
  std::vector<SimulatedHost*> hosts_;
  std::uint32_t bindings_ = 0;
  std::uint64_t woken_ = 0;
  std::uint32_t nic_cpu_ = kNobody;
  bool disturbed_ = false;
};

template <typename Event>
void SimulatedKernel::Later(Nanos most, const Thread& thread, Event event) {
  simulation_.At(now() + random().Time(most),
                 [&thread, change = thread.change, event] {
                   if (thread.change == change) event();
                 });
}

template <typename Event>
void SimulatedKernel::Later(Nanos most, const Cpu& cpu, Event event) {
  simulation_.At(now() + random().Time(most),
                 [&cpu, change = cpu.change, event] {
                   if (cpu.change == change) event();
                 });
}

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATED_KERNEL_H_
