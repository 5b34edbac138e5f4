// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/processors.h
//
// The CPUs of a machine whose kernel publishes its run queues, for all
// processes that one NIC serves: who runs where, who left, which CPU is free,
// and whom the kernel is to wake there. Rules by number are those of
// docs/dispatch.md.
//
// Look() is the first thing of a turn. It works through what is new in the
// CPUs' lines, takes the kernel's answers, and tells each process what became
// of its endpoints. Its cost follows the CPUs, not the processes: of the
// endpoints' words it reads a few, in turn, to find threads that died (a
// process that wants to wake a thread reads its word itself).
//
// A kernel that has taken everything back says that all CPUs are offline.
// Threads go on without being bound then, and are woken by a call, wherever
// they like.
//
// What the kernel writes is read once and bounded: an endpoint that is in no
// table, or a word of another generation, means nothing.
//
// Not thread-safe; never allocates after construction.
#ifndef LAUBERHORN_NIC_PROCESSORS_H_
#define LAUBERHORN_NIC_PROCESSORS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "nic/counters.h"
#include "nic/cpu_line.h"
#include "nic/cpu_shares.h"
#include "nic/kernel_channel.h"
#include "nic/kernel_region.h"
#include "nic/state_words.h"
#include "nic/time.h"

namespace lauberhorn::nic {

// What is asked of the kernel beside its channels.
class Interrupter {
 public:
  virtual ~Interrupter() = default;

  // Interrupts a CPU that does not look at its kernel channel.
  virtual void Interrupt(std::uint32_t cpu) = 0;

  // RUN for an endpoint on any CPU, while the kernel executes no commands.
  // Whether it may have woken its thread, or has remembered it.
  virtual bool RunByCall(std::uint32_t endpoint, std::uint32_t generation) {
    static_cast<void>(endpoint);
    static_cast<void>(generation);
    return false;
  }
};

class Processors {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  // The CPU of whoever is woken by a call.
  static constexpr std::uint32_t kByCall = kNone - 1;

  // A process, which is told of its endpoints: each by its number in the table
  // of the device. Called by Look() only, and must not call that.
  class Process {
   public:
    virtual ~Process() = default;

    // A CPU runs the endpoint's thread.
    virtual void OnCame(std::uint32_t endpoint, Nanos now) = 0;

    // The thread left a CPU, or may have, or died: look at it once more.
    virtual void OnLeft(std::uint32_t endpoint, Nanos now) = 0;

    // Its RUN woke nobody, and nothing is remembered.
    virtual void OnRefused(std::uint32_t endpoint, Nanos now) = 0;
  };

  // The region and the interrupter outlive it. `processes` is how many there
  // may be. `epoch` is the device's.
  Processors(KernelRegion& region, std::uint32_t processes, std::uint64_t epoch,
             Interrupter& interrupter);

  Processors(const Processors&) = delete;
  Processors& operator=(const Processors&) = delete;

  // Where a process is in the device, and what it may use.
  struct Attachment {
    std::uint32_t process;     // its number
    std::uint32_t first;       // of its endpoints
    std::uint32_t count;       // which nobody else has
    std::uint32_t generation;  // of its endpoints
    std::uint32_t weight;
  };

  // A process begins. What is about its CPUs is counted in `counters`. Both
  // outlive it. Rule 20: the last owner of these endpoints was dealt with.
  void Attach(const Attachment& process, Process& listener, Counters& counters);
  // It ends: its endpoints are nobody's.
  void Detach(std::uint32_t process);

  // Who gets CPUs. Processes say there what they have.
  CpuShares& shares() { return shares_; }

  // Where the NIC itself runs, if it is a thread of this machine; kNone: on no
  // CPU of these. To be said before a look.
  void SetOwnCpu(std::uint32_t cpu) { own_cpu_ = cpu; }

  // Works through what is new. True if anything was.
  bool Look(Nanos now);

  // The processes that the last one told anything.
  absl::Span<const std::uint32_t> told() const { return told_; }

  // Whether anything is new since then: loads a word for each CPU.
  bool HasNews() const;
  // Whether a command was answered since then.
  bool HasAnswers() const;

  // Sends what is still wanted of the kernel; the last thing of a turn. Next()
  // says when to come back for answers and for what is late.
  void Flush(Nanos now);
  Nanos Next(Nanos now) const;

  // Of an endpoint, as of the last Look().
  bool IsOnCpu(std::uint32_t endpoint) const {
    return endpoints_[endpoint].on_cpus > 0;
  }
  // Whether its thread has ended: by its word, now.
  bool IsDead(std::uint32_t endpoint) const {
    return StateOf(endpoint) == LH_ENDPOINT_DEAD;
  }
  // Whether a RUN for it has not been answered.
  bool IsRunUnderWay(std::uint32_t endpoint) const {
    return endpoints_[endpoint].asked != kNone;
  }

  // Whether the thread may be given a message and a RUN (rules 3, 4 and 9): it
  // sleeps, by its word or because its slot is PARKED; its last RUN was
  // answered; and all that was new when it slept has been worked through. If
  // only that is missing, it may at the next turn.
  bool MayRun(std::uint32_t endpoint, bool parked);

  // The best CPU that is free for the endpoint's process; kNone if none is;
  // kByCall if there are none at all.
  std::uint32_t FreeCpu(std::uint32_t endpoint, Nanos now) const;
  // That of the process which is furthest ahead, or else one that others have:
  // where PREEMPT is worth a try.
  std::uint32_t CpuToTake(std::uint32_t endpoint, Nanos now);

  // Asks the kernel to wake the thread, on this CPU if it may run there; `kind`
  // is LH_KIND_RUN or LH_KIND_PREEMPT. The message has been filled, MayRun()
  // was true, and one of the two above named the CPU.
  void Ask(std::uint8_t kind, std::uint32_t endpoint, std::uint32_t cpu,
           Nanos now);

  // Sees to it that the thread is woken, on any CPU: it sleeps, or is about to,
  // and something has come that is not taken back.
  void Wake(std::uint32_t endpoint);

  // The thread waits since `since` with nothing to do; kNever: it has
  // something.
  void SetWaiting(std::uint32_t endpoint, Nanos since) {
    endpoints_[endpoint].waits_since = since;
  }

  std::uint32_t cpus() const {
    return static_cast<std::uint32_t>(cpus_.size());
  }
  // The endpoint that the CPU was last seen to run; kNone if none.
  std::uint32_t SeenOn(std::uint32_t cpu) const { return cpus_[cpu].seen; }
  // The same, plus 1, or 0; may be asked by any thread.
  std::uint64_t Shown(std::uint32_t cpu) const { return shown_[cpu].value(); }
  // Whose that is.
  std::uint32_t ProcessOn(std::uint32_t cpu) const {
    return SeenOn(cpu) == kNone ? kNone : endpoints_[SeenOn(cpu)].owner;
  }

 private:
  struct Command {
    std::uint64_t number;
    std::uint32_t endpoint;
  };
  struct Cpu {
    CpuLine line;
    KernelChannel channel;
    std::uint32_t seen = kNone;          // the endpoint
    std::uint32_t left = kNone;          // the last that left
    Nanos charged = 0;                   // until when its process has been
    Nanos promised = 0;                  // a RUN went there: not free before
    std::vector<Command> commands = {};  // not answered; at most a lane of them
  };
  struct Owner {
    Process* listener = nullptr;
    Counters* counters = nullptr;
    std::uint32_t first = 0;  // of its endpoints
    std::uint32_t count = 0;
    bool told = false;  // in told_
  };
  struct Endpoint {
    std::uint32_t owner = kNone;
    std::uint32_t generation = 1;
    std::uint32_t on_cpus = 0;       // that were last seen to run it
    std::uint32_t last_cpu = kNone;  // that ran it
    std::uint32_t asked = kNone;     // the CPU of its RUN
    std::uint64_t refused = 0;       // CPUs that refused it, modulo 64
    Nanos refused_until = 0;         // and need not be asked before
    std::uint64_t slept = kAwake;    // it did before the look after this
    Nanos waits_since = kNever;
    Nanos left_at = 0;         // a CPU, as it was told last
    std::uint32_t buried = 0;  // its last thread that was found dead
    bool wanted = false;       // in wanted_
    bool preempted = false;    // in preempted_
    bool waking = false;       // what it was asked for is not taken back
  };
  static constexpr std::uint64_t kAwake = ~std::uint64_t{0};

  EndpointWord WordOf(std::uint32_t endpoint) const {
    return EndpointWord(__atomic_load_n(&region_.endpoint_word(endpoint)->word,
                                        __ATOMIC_ACQUIRE));
  }
  std::uint32_t StateOf(std::uint32_t endpoint) const;
  // Whether its thread is on no CPU, and would go on.
  bool GoesOn(std::uint32_t endpoint) const;
  // Whether the thread may run there, as far as is known, and the CPU takes
  // another command.
  bool MayAsk(std::uint32_t endpoint, std::uint32_t cpu, Nanos now) const;
  // Who has the CPU: the endpoint that runs there, or that was preempted by a
  // thread that is not bound and goes on after it; kNone.
  std::uint32_t HolderOf(const Cpu& cpu) const;
  std::uint32_t AnyCpu(std::uint32_t endpoint, Nanos now) const;
  void AskByCall(std::uint32_t endpoint);
  bool SameOwner(std::uint32_t one, std::uint32_t other) const {
    return endpoints_[one].owner == endpoints_[other].owner;
  }
  // An index plus one, as the kernel writes it; kNone if it is nobody's.
  std::uint32_t EndpointOf(std::uint32_t plus_one) const;

  // Who is to be told of the endpoint, which has an owner.
  Process& ListenerOf(std::uint32_t endpoint);
  void LookAt(std::uint32_t cpu, Nanos now);
  void Charge(std::uint32_t endpoint, Nanos time);
  void ChargeThoseOf(Cpu& cpu, bool told, std::uint32_t came, Nanos now);
  void OnLeft(std::uint32_t endpoint, Nanos now);
  bool TakeAnswers(std::uint32_t cpu, Nanos now);
  void OnAnswer(std::uint32_t endpoint, std::uint32_t cpu, std::uint64_t code,
                Nanos now);
  void TellRefusedCalls(Nanos now);
  void FindDead(Nanos now);
  void FindPreempted(Nanos now);

  KernelRegion& region_;
  Interrupter& interrupter_;
  const std::uint64_t epoch_;
  CpuShares shares_;
  std::vector<Cpu> cpus_;
  std::vector<Counter> shown_;  // by CPU, for others to read
  std::vector<Endpoint> endpoints_;
  std::vector<Owner> owners_;
  std::vector<std::uint32_t> told_;
  std::vector<std::uint32_t> wanted_;     // endpoints to be woken
  std::vector<std::uint32_t> refused_;    // endpoints, by calls
  std::vector<std::uint32_t> preempted_;  // endpoints that left, and may go on
  std::vector<std::uint32_t> holders_;    // scratch: processes, by CPU
  std::uint32_t own_cpu_ = kNone;
  std::uint64_t looks_ = 1;
  std::uint64_t command_ = 0;      // the last number
  std::uint32_t next_word_ = 0;    // of an endpoint that may have died
  std::uint32_t outstanding_ = 0;  // commands of all CPUs
  Nanos answers_until_ = 0;        // for which it is worth to stay awake
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_PROCESSORS_H_
