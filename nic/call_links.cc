// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/call_links.h"

#include "abi/host/types.h"

namespace lauberhorn::nic {

CallLinks::CallLinks(std::uint32_t parents, std::uint32_t children)
    : first_(parents, kNone), children_(children) {}

void CallLinks::Link(std::uint32_t child, std::uint64_t handle,
                     std::uint64_t parent) {
  Unlink(child);
  Child& entry = children_[child];
  std::uint32_t& first = first_[lh_handle_index(parent)];
  entry.parent = parent;
  entry.handle = handle;
  entry.previous = kNone;
  entry.next = first;
  if (first != kNone) children_[first].previous = child;
  first = child;
}

void CallLinks::Remove(std::uint32_t child) {
  Child& entry = children_[child];
  (entry.previous == kNone ? first_[lh_handle_index(entry.parent)]
                           : children_[entry.previous].next) = entry.next;
  if (entry.next != kNone) children_[entry.next].previous = entry.previous;
  entry.parent = 0;
}

std::uint32_t CallLinks::TakeChild(std::uint64_t parent,
                                   std::uint64_t* handle) {
  for (;;) {
    const std::uint32_t child = first_[lh_handle_index(parent)];
    if (child == kNone) return kNone;
    const Child& entry = children_[child];
    const bool is_its_own = entry.parent == parent;
    *handle = entry.handle;
    Remove(child);
    if (is_its_own) return child;
  }
}

}  // namespace lauberhorn::nic
