// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kit/region_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "tests/conformance/kit/test.h"

namespace lauberhorn::conformance {
namespace {

[[noreturn]] void Refuse(const std::string& path, const std::string& what) {
  throw std::runtime_error(path + ": " + what);
}

}  // namespace

RegionFile::RegionFile(const std::string& path, std::uint64_t offset,
                       std::uint64_t size, const std::string& ring) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) Refuse(path, std::strerror(errno));
  struct stat about = {};
  fstat(file, &about);
  const auto whole = static_cast<std::uint64_t>(about.st_size);
  size_ = size;
  if (size_ == 0 && whole > offset) size_ = whole - offset;
  if (size_ < sizeof(lh_info) || (whole > 0 && offset + size_ > whole)) {
    close(file);
    Refuse(path, "it has no room for a region; see --offset and --size");
  }
  void* const memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED,
                            file, static_cast<off_t>(offset));
  const int error = errno;
  close(file);
  if (memory == MAP_FAILED) Refuse(path, std::strerror(error));
  base_ = static_cast<std::uint8_t*>(memory);
  if (ring.empty()) return;
  ring_ = open(ring.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (ring_ < 0) {
    const std::string why = std::strerror(errno);
    munmap(base_, size_);
    Refuse(ring, why);
  }
}

RegionFile::~RegionFile() {
  munmap(base_, size_);
  if (ring_ >= 0) close(ring_);
}

void RegionFile::Ring() const {
  Expect(ring_ >= 0, "a device that never sleeps, or --ring FILE",
         "`asleep` is set: it wants to be rung");
  const std::uint64_t one = 1;
  // Where there is no room it has been rung already.
  (void)!write(ring_, &one, sizeof(one));
}

}  // namespace lauberhorn::conformance
