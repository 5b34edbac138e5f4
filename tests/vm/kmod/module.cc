// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/kmod/module.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

namespace lauberhorn::kmod {
namespace {

// Of the environment, or empty.
const char* Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool WriteDriver(const std::string& attribute) {
  std::ofstream file("/sys/bus/platform/drivers/lauberhorn/" + attribute);
  file << "lauberhorn.0" << std::flush;
  return file.good();
}

}  // namespace

std::string Shown(const std::string& attribute) {
  std::ifstream file("/sys/class/lauberhorn/lauberhorn0/" + attribute);
  std::string text;
  std::getline(file, text);
  return text;
}

bool Unbind() { return WriteDriver("unbind"); }
bool Bind() { return WriteDriver("bind"); }

int Unload() {
  return syscall(SYS_delete_module, "lauberhorn", O_NONBLOCK) == 0 ? 0 : errno;
}

int Load() {
  const int file = open(Environment("MODULE"), O_RDONLY | O_CLOEXEC);
  const int error =
      syscall(SYS_finit_module, file, Environment("PARAMETERS"), 0) == 0
          ? 0
          : errno;
  close(file);
  return error;
}

}  // namespace lauberhorn::kmod
