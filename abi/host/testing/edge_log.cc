/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
#include "edge_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace {

// Sparse: a file takes what is written. 24 bytes each.
constexpr uint64_t kPlaces = uint64_t{1} << 26;

struct Log {
  lh_edge_log_head head;
  lh_edge_log_record records[kPlaces];
};

Log* g_log;
pid_t g_owner;

void Close() {
  // Not a child of fork() that calls exit().
  if (getpid() == g_owner)
    __atomic_store_n(&g_log->head.ended, 1, __ATOMIC_RELEASE);
}

// Ends the program if there is to be a log and cannot be: a check of no edges
// would find nothing.
Log* Open() {
  const char* const name = getenv("LAUBERHORN_EDGE_LOG");
  if (name == nullptr || *name == 0) return nullptr;
  g_owner = getpid();
  char path[4096];
  struct stat found;
  const bool shared = stat(name, &found) == 0 && S_ISREG(found.st_mode);
  if (shared) {
    snprintf(path, sizeof(path), "%s", name);
  } else {
    snprintf(path, sizeof(path), "%s/%s.%d", name,
             program_invocation_short_name, static_cast<int>(g_owner));
  }
  const int file =
      open(path, O_RDWR | O_CLOEXEC | (shared ? 0 : O_CREAT | O_EXCL), 0600);
  void* memory = MAP_FAILED;
  if (file >= 0 && ftruncate(file, sizeof(Log)) == 0)
    memory = mmap(nullptr, sizeof(Log), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_NORESERVE, file, 0);
  if (memory == MAP_FAILED) {
    perror(path);
    abort();
  }
  close(file);
  g_log = static_cast<Log*>(memory);
  g_log->head.places = kPlaces;
  g_log->head.magic = LH_EDGE_LOG_MAGIC;
  // One process of many does not know whether it is the last.
  if (!shared) atexit(&Close);
  return g_log;
}

// Another mapping of memory that has lanes. Written whole before `end` is.
struct View {
  std::atomic<uintptr_t> end{0};
  uintptr_t begin = 0;
  uintptr_t original = 0;
};
View g_views[256];
const uintptr_t kNowhere = reinterpret_cast<uintptr_t>(LH_LOG_NOWHERE);
std::atomic<unsigned> g_next_view{0};

uintptr_t Original(uintptr_t address) {
  // The newest first: it may be where an older one was.
  const unsigned count = g_next_view.load(std::memory_order_acquire);
  for (unsigned i = 0; i < count && i < std::size(g_views); ++i) {
    const View& view = g_views[(count - 1 - i) % std::size(g_views)];
    if (address < view.end.load(std::memory_order_acquire) &&
        address >= view.begin) {
      return view.original == kNowhere ? kNowhere
                                       : address - view.begin + view.original;
    }
  }
  return address;
}

void Write(uint64_t kind, const void* address, __u64 old, __u64 value) {
  static Log* const log = Open();
  if (log == nullptr) return;
  const uintptr_t original = Original(reinterpret_cast<uintptr_t>(address));
  if (original == kNowhere) return;
  const uint64_t place =
      __atomic_fetch_add(&log->head.next, 1, __ATOMIC_SEQ_CST);
  if (place >= kPlaces) return;
  lh_edge_log_record& record = log->records[place];
  record.old = old;
  record.value = value;
  __atomic_store_n(&record.what, kind << 56 | original, __ATOMIC_RELEASE);
}

}  // namespace

void lh_log_edge(int edge, const void* address, __u64 old, __u64 value) {
  Write(static_cast<uint64_t>(edge) + 1, address, old, value);
}

void lh_log_lane(int direction, const void* lines, __u32 stride, __u32 slots) {
  Write(LH_EDGE_LOG_LANE, lines, static_cast<__u64>(direction) << 32 | slots,
        stride);
}

void lh_log_view(const void* view, __u64 size, const void* original) {
  // One thread at a time makes devices.
  if (size == 0) {
    for (View& old : g_views)
      if (old.begin == reinterpret_cast<uintptr_t>(view)) old.end.store(0);
    return;
  }
  const unsigned number = g_next_view.load();
  View& place = g_views[number % std::size(g_views)];
  place.end.store(0);
  place.begin = reinterpret_cast<uintptr_t>(view);
  place.original = reinterpret_cast<uintptr_t>(original);
  place.end.store(place.begin + size, std::memory_order_release);
  g_next_view.store(number + 1, std::memory_order_release);
}
