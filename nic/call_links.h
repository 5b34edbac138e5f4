// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/call_links.h
//
// Which of the process's own calls are made for a call that it serves, so that
// they end early with it: a list of children for each call that is served.
//
// A call that has ended leaves its list as it is. Each entry says the handle of
// the call that it was made for, and one of a former call of the same number
// means nothing; so nothing has to be done when a served call ends.
//
// Not thread-safe; memory is taken at construction.
#ifndef LAUBERHORN_NIC_CALL_LINKS_H_
#define LAUBERHORN_NIC_CALL_LINKS_H_

#include <cstdint>
#include <vector>

namespace lauberhorn::nic {

class CallLinks {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // For calls that are served, 0 .. parents - 1, and own ones, 0 .. children -
  // 1.
  CallLinks(std::uint32_t parents, std::uint32_t children);

  // The own call `child`, with this handle, is made for the served call
  // `parent`, a handle. What it was made for before is forgotten.
  void Link(std::uint32_t child, std::uint64_t handle, std::uint64_t parent);

  // The call `child` is made for none, or has ended.
  void Unlink(std::uint32_t child) {
    if (children_[child].parent != 0) Remove(child);
  }

  // Forgets a link of `child` under another handle than this.
  void Keep(std::uint32_t child, std::uint64_t handle) {
    if (children_[child].parent != 0 && children_[child].handle != handle) {
      Remove(child);
    }
  }

  // A child of the served call `parent`, a handle; it is unlinked. kNone if
  // there is none any more. `handle` gets that of the child.
  std::uint32_t TakeChild(std::uint64_t parent, std::uint64_t* handle);

 private:
  struct Child {
    std::uint64_t parent = 0;  // handle, 0 if it is not linked
    std::uint64_t handle = 0;
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
  };

  void Remove(std::uint32_t child);

  std::vector<std::uint32_t> first_;  // by index of the parent
  std::vector<Child> children_;
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_CALL_LINKS_H_
