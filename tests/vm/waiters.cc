// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// `vm_waiters COMMAND...`: processes that wait for a NIC, while the command
// runs.
//
// On each processor one is parked, and one looks at its slot. When the command
// has ended well each gets a message, as a NIC gives it, and must take it: what
// the command does to the machine loses nobody.
//
// `vm_waiters --suspend` has the kernel suspend all devices and resume them.
// The guest's files come over a device that does not outlive that. So it needs
// none afterwards, says to the kernel's log what became of the waiters, and
// restarts the machine.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"
#include "linux-patches/lauberhorn_probe.h"

namespace {

constexpr char kProbe[] = "/dev/lauberhorn-probe";
constexpr int kMost = 16;
constexpr std::uint32_t kGeneration = 1;

// Of a slot's word.
enum State : std::uint64_t { kFree, kParked, kFull };

// Shared with the children. A waiter's number is its endpoint.
struct Waiter {
  std::atomic<std::uint64_t> word;
  std::atomic<bool> bound;
  std::atomic<bool> taken;
};

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "vm_waiters: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

void Bind(int probe, std::uint32_t endpoint, int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) Die("affinity");
  const lauberhorn_probe_bind bind = {endpoint, kGeneration};
  if (ioctl(probe, LAUBERHORN_PROBE_BIND, &bind) != 0) Die("bind");
}

// Until there is a message; sleeping, or looking all the time.
void Wait(Waiter& waiter, int probe, bool parks) {
  while (waiter.word != kFull) {
    std::uint64_t word = kFree;
    if (!parks || !waiter.word.compare_exchange_strong(word, kParked)) continue;
    const lauberhorn_probe_park park = {
        reinterpret_cast<std::uintptr_t>(&waiter.word), kParked};
    ioctl(probe, LAUBERHORN_PROBE_PARK, &park);
    word = kParked;
    waiter.word.compare_exchange_strong(word, kFree);
  }
  waiter.taken = true;
}

// Processes that sleep and look at what the kernel says of them.
void Start(Waiter* waiters, int count, int probe, int cpus) {
  for (int number = 0; number < count; ++number) {
    const pid_t child = fork();
    if (child < 0) Die("fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      Bind(probe, static_cast<std::uint32_t>(number), number % cpus);
      waiters[number].bound = true;
      Wait(waiters[number], probe, number < cpus);
      _exit(0);
    }
  }
  for (int number = 0; number < count; ++number) {
    while (!waiters[number].bound ||
           (number < cpus && waiters[number].word != kParked)) {
      usleep(1000);
    }
  }
}

// A message for each; whether RUN was done, or the waiter was awake.
bool GiveAll(Waiter* waiters, int count, int probe) {
  for (int number = 0; number < count; ++number) {
    waiters[number].word = kFull;
    lauberhorn_probe_run run = {static_cast<std::uint32_t>(number), kGeneration,
                                -1, 0, 0};
    if (ioctl(probe, LAUBERHORN_PROBE_RUN, &run) != 0) Die("RUN");
    if (run.answer != LH_ANSWER_DONE && run.answer != LH_ANSWER_EARLY) {
      std::fprintf(stderr, "vm_waiters: %d is answered %u\n", number,
                   run.answer);
      return false;
    }
  }
  for (int number = 0; number < count; ++number) {
    while (!waiters[number].taken) usleep(1000);
  }
  return true;
}

int Open(const char* path, int flags) {
  const int file = open(path, flags | O_CLOEXEC);
  if (file < 0) Die(path);
  return file;
}

void Write(int file, const char* text) {
  const auto size = static_cast<ssize_t>(std::strlen(text));
  if (write(file, text, static_cast<std::size_t>(size)) != size) Die(text);
}

// And resumes.
[[noreturn]] void Suspend(Waiter* waiters, int count, int probe) {
  Write(Open("/sys/module/suspend/parameters/pm_test_delay", O_WRONLY), "1");
  Write(Open("/sys/power/pm_test", O_WRONLY), "devices");
  const int state = Open("/sys/power/state", O_WRONLY);
  const int log = Open("/dev/kmsg", O_WRONLY);
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) Die("memory");
  // What is linked when it is first called reads files.
  usleep(1);
  Write(state, "freeze");
  Write(log, GiveAll(waiters, count, probe)
                 ? "vm_waiters: all have taken a message"
                 : "vm_waiters: NOT all have taken a message");
  reboot(RB_AUTOBOOT);
  Die("restart");
}

int Run(char** command) {
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    execvp(command[0], command);
    Die(command[0]);
  }
  int status;
  if (waitpid(child, &status, 0) != child) Die("wait");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0) {
    std::fprintf(stderr,
                 "usage: vm_waiters COMMAND [ARGUMENT...]\n"
                 "       vm_waiters --suspend\n\n"
                 "Runs the command while processes wait for a NIC: on each "
                 "processor one that is\nparked, and one that looks. They must "
                 "take a message afterwards. Or suspends all\ndevices "
                 "meanwhile, and restarts the machine.\n");
    return argc < 2 ? 2 : 0;
  }
  const int probe = Open(kProbe, O_RDWR);
  const int cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const int count = 2 * cpus;
  if (count > kMost) {
    std::fprintf(stderr, "vm_waiters: more than %d processors\n", kMost / 2);
    return 2;
  }
  void* memory = mmap(nullptr, sizeof(Waiter) * kMost, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Die("memory");
  auto* waiters = static_cast<Waiter*>(memory);

  Start(waiters, count, probe, cpus);
  std::fprintf(stderr, "vm_waiters: %d wait\n", count);
  if (std::strcmp(argv[1], "--suspend") == 0) Suspend(waiters, count, probe);
  const int status = Run(argv + 1);
  if (status != 0) return status;
  if (!GiveAll(waiters, count, probe)) return 1;
  std::fprintf(stderr, "vm_waiters: %d have taken a message\n", count);
  return 0;
}
