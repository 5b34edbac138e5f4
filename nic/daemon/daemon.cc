// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/daemon.h"

#include <sched.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "abi/host/cpu.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic::daemon {
namespace {

// So often it looks for events and packets while it has no time to sleep.
constexpr Nanos kLookPeriod = 50 * kMicrosecond;

constexpr std::size_t kEvents = 16;  // that are read at a time

constexpr std::uint64_t kPublishes =
    LH_DEVICE_STATE_WORDS | LH_DEVICE_KERNEL_CHANNELS;

absl::Status Refused(absl::string_view what, int error) {
  const std::string text = absl::StrCat("the kernel's module refuses to ", what,
                                        ": ", std::strerror(error));
  switch (error) {
    case EINVAL:
      return absl::InvalidArgumentError(absl::StrCat(
          text,
          "; more processes or endpoints than it was loaded for (its "
          "parameters max_processes and max_endpoints)?"));
    case ENOTTY:
      return absl::InvalidArgumentError(
          absl::StrCat(text, "; is that the node of a NIC?"));
    case ENODEV:
      return absl::UnavailableError(absl::StrCat(
          text, "; the device has gone: bind it, or load the module again"));
    case ENOMEM:
      return absl::ResourceExhaustedError(absl::StrCat(
          text, "; ask for fewer --processes, --endpoints or --slots"));
    default:
      return absl::UnknownError(text);
  }
}

absl::Status Gone() {
  return absl::UnavailableError(
      "the device has gone: it was unbound, or its module is being unloaded");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(
    const DaemonOptions& options, Node& node) {
  auto daemon = absl::WrapUnique(new Daemon(options, node));
  const absl::Status status = daemon->Begin();
  if (!status.ok()) return status;
  return daemon;
}

Daemon::Daemon(const DaemonOptions& options, Node& node)
    : options_(options),
      node_(node),
      attached_(AttachOf(options.geometry)),
      processes_(options.geometry.processes) {}

absl::Status Daemon::Begin() {
  absl::Status status = poll_.Open();
  if (!status.ok()) return status;
  if (const int error = node_.Attach(&attached_)) {
    return Refused("attach this NIC", error);
  }
  absl::StatusOr<std::unique_ptr<KernelPart>> part =
      KernelPart::Make(node_, options_.geometry, attached_);
  if (!part.ok()) return part.status();
  kernel_ = *std::move(part);
  lh_nic_start start = {};
  if (const int error = node_.Start(&start)) {
    return Refused("start this NIC", error);
  }
  if ((start.features & kPublishes) == kPublishes) {
    features_ = start.features;
    processors_ = std::make_unique<Processors>(
        kernel_->region(), options_.geometry.processes, attached_.epoch,
        static_cast<Interrupter&>(*this));
  }
  set_ = std::make_unique<EngineSet>(processors_.get(),
                                     options_.geometry.processes);
  return poll_.Add(node_.descriptor(), kNode);
}

Daemon::~Daemon() {
  for (std::uint32_t place = 0; place < processes_.size(); ++place) {
    Forget(place);
  }
}

absl::Status Daemon::Run(int stop) {
  absl::Status status = poll_.Add(stop, kStop);
  if (!status.ok()) return status;
  while (!gone_ && !stop_) {
    const Nanos now = clock_.NextTurn();
    const Nanos next = TakeTurn(now);
    if (!options_.geometry.spin && next > now) SleepUntil(next);
  }
  return gone_ ? Gone() : absl::OkStatus();
}

absl::Status Daemon::Turn() {
  look_ = 0;
  TakeTurn(clock_.Read());
  return gone_ ? Gone() : absl::OkStatus();
}

Nanos Daemon::TakeTurn(Nanos now) {
  if (now >= look_) Look(now, now);
  SayWhereItRuns();
  return set_->Turn(now);
}

// Whoever has something for it either comes before the last look, or rings,
// which ends the sleep: abi/host/bell.h.
void Daemon::SleepUntil(Nanos next) {
  kernel_->SetAsleep(true);
  if (set_->TryToSleep()) {
    ++sleeps_;
    Look(clock_.Read(), next);
    set_->Awake();
    clock_.Read();
  }
  kernel_->SetAsleep(false);
}

void Daemon::Look(Nanos now, Nanos until) {
  look_ = now + kLookPeriod;
  for (const std::uint64_t tag : poll_.Wait(now, until)) {
    if (tag == kNode) {
      TakeEvents();
    } else if (tag == kStop) {
      stop_ = true;
    } else if (tag >= kReport) {
      AcceptReports(static_cast<std::uint32_t>(tag - kReport));
    } else {
      set_->Mark(static_cast<std::uint32_t>(tag - kProcess));
    }
  }
}

void Daemon::AcceptReports(std::uint32_t place) {
  if (processes_[place] != nullptr) processes_[place]->AcceptReports();
}

void Daemon::TakeEvents() {
  lh_nic_event events[kEvents];
  std::size_t count = 0;
  const int error = node_.Read(absl::MakeSpan(events), &count);
  if (error == EAGAIN) return;
  if (error != 0) {
    gone_ = true;
    return;
  }
  // What is left is told again: so those who ring keep no engine from its turn.
  for (std::size_t at = 0; at < count; ++at) OnEvent(events[at]);
}

void Daemon::OnEvent(const lh_nic_event& event) {
  switch (event.kind) {
    case LH_NIC_EVENT_RING:
      return set_->MarkAll();
    case LH_NIC_EVENT_ATTACH:
      return OnAttach(event);
    case LH_NIC_EVENT_LEFT:
      return OnLeft(event);
    default:
      spdlog::warn("an event of kind {}, which this NIC does not know",
                   event.kind);
  }
}

void Daemon::OnAttach(const lh_nic_event& event) {
  lh_nic_answer answer = {};
  answer.process = event.process;
  answer.generation = event.generation;
  answer.error = static_cast<__u32>(Accept(event));
  const int error = node_.Answer(answer);
  if (error == 0 || answer.error != 0) return;
  // It has left meanwhile, which is still to be told.
  spdlog::debug("process {}: {}", event.pid, std::strerror(error));
  Forget(event.process);
}

int Daemon::Accept(const lh_nic_event& event) {
  const Geometry& geometry = options_.geometry;
  if (event.process >= geometry.processes ||
      event.endpoints != geometry.endpoints ||
      event.first_endpoint != event.process * geometry.endpoints ||
      event.size < attached_.part_size) {
    spdlog::error("an ATTACH that is not of what this NIC laid out");
    return EINVAL;
  }
  Forget(event.process);
  AttachedProcess::Options options = {
      .event = event,
      .who = IdentityOf(event, options_.rules.NamesExecutables()),
      .terms = {},
      .epoch = attached_.epoch,
      .wire_tag = kProcess + event.process,
      .processors = processors_.get(),
      .report_folders = options_.report_folders,
      .report_tag = kReport + event.process};
  options.terms = options_.rules.For(options.who);
  if (options_.network != 0 && event.network != options_.network) {
    spdlog::warn("process {} of user {} is refused: it is in another network",
                 event.pid, event.uid);
    return ENONET;
  }
  if (options.terms.refused) {
    spdlog::info("process {} of user {} is refused by a rule", event.pid,
                 event.uid);
    return EACCES;
  }
  absl::StatusOr<std::unique_ptr<AttachedProcess>> process =
      AttachedProcess::Make(node_, poll_, geometry, options);
  if (!process.ok()) {
    spdlog::error("process {} of user {} is refused: {}", event.pid, event.uid,
                  std::string(process.status().message()));
    return ENOMEM;
  }
  (*process)->SetNicCpu(cpu_);
  set_->Add(event.process, (*process)->engine());
  processes_[event.process] = *std::move(process);
  ++process_count_;
  spdlog::info("process {} ({}) of user {} attached: place {}, weight {}",
               event.pid, options.who.program, event.uid, event.process,
               options.terms.weight);
  return 0;
}

void Daemon::OnLeft(const lh_nic_event& event) {
  if (event.process < processes_.size()) Forget(event.process);
  const lh_nic_end end = {event.process, event.generation};
  if (const int error = node_.End(end)) {
    spdlog::warn("place {} cannot be given to the next process: {}",
                 event.process, std::strerror(error));
  }
}

void Daemon::Forget(std::uint32_t place) {
  const std::unique_ptr<AttachedProcess> process =
      std::exchange(processes_[place], nullptr);
  if (process == nullptr) return;
  set_->Remove(place);
  process->engine().Leave(clock_.Read());
  --process_count_;
  spdlog::info("process {} ({}) left", process->event().pid,
               process->who().program);
}

void Daemon::SayWhereItRuns() {
  const auto cpu = static_cast<std::uint64_t>(sched_getcpu()) + 1;
  if (cpu == cpu_) return;
  cpu_ = cpu;
  if (processors_ != nullptr) {
    processors_->SetOwnCpu(static_cast<std::uint32_t>(cpu - 1));
  }
  lh_store_release(&kernel_->info()->nic_cpu, cpu);
  for (const auto& process : processes_) {
    if (process != nullptr) process->SetNicCpu(cpu);
  }
}

void Daemon::Interrupt(std::uint32_t cpu) {
  // A CPU that cannot be interrupted any more answers nothing, and that is
  // seen.
  static_cast<void>(node_.Interrupt(cpu));
}

bool Daemon::RunByCall(std::uint32_t endpoint, std::uint32_t generation) {
  lh_nic_wake wake = {};
  wake.endpoint = endpoint;
  wake.generation = generation;
  return node_.Wake(&wake) == 0 &&
         (wake.answer == LH_ANSWER_DONE || wake.answer == LH_ANSWER_EARLY);
}

}  // namespace lauberhorn::nic::daemon
