// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/dispatch_rig.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/time/time.h"
#include "bench/allocation_counter.h"
#include "bench/cpu.h"
#include "lauberhorn/method.h"
#include "lauberhorn/server.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kEngineCpu = 0;
constexpr int kWorkerCpu = 1;
constexpr absl::string_view kEchoName = "/bench.Dispatch/Echo";
constexpr absl::string_view kTurnName = "/bench.Dispatch/Turn";

// What the worker is asked for in a turn of the floor.
struct TurnRequest {
  std::uint32_t turn;
  std::int32_t count;
};

double NanosSince(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

nic::RegionOptions SmallRegion() {
  nic::RegionOptions options;
  options.endpoints = 8;
  return options;
}

void Futex(__u64* word, int operation, std::uint32_t value) {
  // The futex is the low half: the contract is little-endian.
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word),
          operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

absl::Status NeedsBothCpus() {
  return absl::FailedPreconditionError(
      "needs CPU 0 and CPU 1, and may not run on both");
}

// Answers with the request.
void AnswerEcho(ServerCall& call) {
  const absl::Span<const std::uint8_t> request = call.request();
  std::uint8_t* const reply = call.ReserveReply(request.size());
  if (reply == nullptr) return;
  std::memcpy(reply, request.data(), request.size());
  call.Reply();
}

}  // namespace

struct DispatchRig::Mapping {
  Mapping()
      : size(nic::Region::Size(SmallRegion())),
        address(mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Mapping() {
    if (address != MAP_FAILED) munmap(address, size);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const std::size_t size;
  void* const address;
};

// The device of an engine that never sleeps and is polled elsewhere.
class DispatchRig::PolledDevice final : public Device {
 public:
  explicit PolledDevice(const nic::Region& region)
      : attachment_(TrustingAttachment(region.base())) {}

  const Attachment& Attach() const override { return attachment_; }
  // Nobody here waits for a time.
  void Wait(std::uint32_t, __u64* word, __u64 parked, std::int64_t) override {
    Futex(word, FUTEX_WAIT, static_cast<std::uint32_t>(parked));
  }
  void Ring() override {}

 private:
  const Attachment attachment_;
};

DispatchRig::DispatchRig() = default;

absl::StatusOr<std::unique_ptr<DispatchRig>> DispatchRig::Start() {
  auto rig = absl::WrapUnique(new DispatchRig());
  const absl::Status status = rig->Prepare();
  if (!status.ok()) return status;
  return rig;
}

absl::Status DispatchRig::Prepare() {
  if (!Pin(kEngineCpu)) return NeedsBothCpus();
  memory_ = std::make_unique<Mapping>();
  if (memory_->address == MAP_FAILED) {
    return absl::ResourceExhaustedError("cannot map the NIC's region");
  }
  region_ = std::make_unique<nic::Region>(
      SmallRegion(),
      absl::MakeSpan(static_cast<std::uint8_t*>(memory_->address),
                     memory_->size));
  nic::EngineOptions options;
  options.secret.fill(1);  // nobody else is on this wire
  nic::WireFactory& wires = *this;
  nic::Waker& waker = *this;
  engine_ = std::make_unique<nic::Engine>(options, *region_, wires, waker);
  lh_store_release(&region_->info()->nic_cpu, __u64{kEngineCpu + 1});
  region_->Ready();

  server_ = std::thread([this] {
    served_ = Pin(kWorkerCpu) ? Serve() : NeedsBothCpus();
    serving_ = true;
    stopped_ = true;
  });
  while (!serving_) Poll();
  if (!stopped_ && wire_ != nullptr) {
    wire_->Open();
    while (!wire_->is_open()) Poll();
    return absl::OkStatus();
  }
  return served_;
}

// Every wait in here is for the engine, which the other thread polls.
absl::Status DispatchRig::Serve() {
  RuntimeOptions options;
  options.endpoints = SmallRegion().endpoints;
  options.workers = options.max_workers = 1;  // on this thread's CPU
  options.spin_before_park = absl::Seconds(1);
  const auto runtime = std::make_shared<RuntimeImpl>(
      options, std::make_unique<PolledDevice>(*region_));
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(runtime);
  if (!server.ok()) return server.status();
  const Method methods[] = {{kEchoName, &EchoThunk}, {kTurnName, &TurnThunk}};
  absl::Status added = (*server)->AddService(methods, this);
  if (!added.ok()) return added;
  const absl::StatusOr<int> port = (*server)->Listen("10.0.0.1:50051");
  if (!port.ok()) return port.status();
  serving_ = true;
  stop_.wait(false);
  (*server)->Shutdown();
  return absl::OkStatus();
}

DispatchRig::~DispatchRig() {
  if (!server_.joinable()) return;
  stop_ = true;
  stop_.notify_all();
  while (!stopped_) Poll();
  server_.join();
}

void DispatchRig::Poll() { engine_->Poll(clock_.NextTurn()); }

void DispatchRig::PollUntilReplied(std::size_t count) {
  while (wire_->replied() < count) Poll();
}

double DispatchRig::Calls(std::size_t count, std::size_t window) {
  std::uint8_t request[CallWire::kMaxRequest];
  std::memset(request, 0x5a, sizeof(request));
  wire_->Prepare(MethodId(kEchoName), request, count, window);
  const std::uint64_t before = Allocations();
  const Clock::time_point start = Clock::now();
  wire_->Release(count);
  PollUntilReplied(count);
  const double time = NanosSince(start);
  allocations_ += Allocations() - before;
  calls_ += count;
  return time / static_cast<double>(count);
}

void DispatchRig::EachCall(std::size_t count, std::vector<double>* times) {
  std::uint8_t request[CallWire::kMaxRequest];
  std::memset(request, 0xa5, sizeof(request));
  wire_->Prepare(MethodId(kEchoName), request, count, 1);
  times->reserve(times->size() + count);
  for (std::size_t done = 1; done <= count; ++done) {
    const Clock::time_point start = Clock::now();
    wire_->Release(1);
    PollUntilReplied(done);
    times->push_back(NanosSince(start));
  }
}

double DispatchRig::FloorTurn(Turn turn, int count) {
  const TurnRequest request = {turn, count};
  std::uint8_t bytes[sizeof(request)];
  std::memcpy(bytes, &request, sizeof(request));
  wire_->Prepare(MethodId(kTurnName), bytes, 1, 1);
  worker_ready_.store(false, std::memory_order_relaxed);
  wire_->Release(1);
  while (!worker_ready_.load(std::memory_order_acquire)) Poll();
  const Clock::time_point start = Clock::now();
  if (turn == kBounce) {
    floor_.BounceHost(count);
  } else {
    floor_.EchoHost(count);
  }
  const double time = NanosSince(start);
  PollUntilReplied(1);
  return time / count;
}

void DispatchRig::EchoThunk(void*, ServerCall& call) { AnswerEcho(call); }

void DispatchRig::TurnThunk(void* service, ServerCall& call) {
  DispatchRig& rig = *static_cast<DispatchRig*>(service);
  TurnRequest request;
  if (call.request().size() != sizeof(request)) {
    return call.Fail(absl::StatusCode::kInvalidArgument, "no turn");
  }
  std::memcpy(&request, call.request().data(), sizeof(request));
  rig.worker_ready_.store(true, std::memory_order_release);
  if (request.turn == kBounce) {
    rig.floor_.BouncePartner(request.count);
  } else {
    rig.floor_.EchoPartner(request.count);
  }
  rig.worker_switches_ = Switches();  // read when the reply has come
  AnswerEcho(call);
}

long DispatchRig::switches() const {  // NOLINT(runtime/int)
  return worker_switches_ + Switches();
}

absl::StatusOr<std::unique_ptr<nic::Wire>> DispatchRig::Listen(
    const nic::Address&) {
  if (wire_ != nullptr) return absl::UnavailableError("one wire is enough");
  auto wire = std::make_unique<CallWire>();
  wire_ = wire.get();
  return wire;
}

absl::StatusOr<std::unique_ptr<nic::Wire>> DispatchRig::Open() {
  return absl::UnavailableError("this process calls nobody");
}

void DispatchRig::Wake(std::uint32_t, __u64* word) {
  Futex(word, FUTEX_WAKE, 1);
}

}  // namespace lauberhorn::bench
