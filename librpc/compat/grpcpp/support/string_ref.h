// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/string_ref.h
//
// Text that belongs to somebody else: what the metadata of a call is made of.
//
//   const auto found = context->client_metadata().find("tenant");
//   std::string tenant(found->second.data(), found->second.size());
//
// Thread-safety: a value. Blocking: never. Ownership: refers to text that
// outlives it; not terminated by a zero byte.
#ifndef GRPCPP_SUPPORT_STRING_REF_H_
#define GRPCPP_SUPPORT_STRING_REF_H_

#include <cstddef>
#include <iterator>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace grpc {
inline namespace lh_v1 {

class string_ref {
 public:
  using const_iterator = const char*;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;

  static constexpr std::size_t npos = absl::string_view::npos;

  string_ref() = default;
  // Implicit, all three: texts are handed over as string_refs.
  string_ref(const char* text) : text_(text) {}
  string_ref(const std::string& text) : text_(text) {}
  string_ref(const char* text, std::size_t size) : text_(text, size) {}

  const_iterator begin() const { return text_.data(); }
  const_iterator end() const { return text_.data() + text_.size(); }
  const_iterator cbegin() const { return begin(); }
  const_iterator cend() const { return end(); }
  const_reverse_iterator rbegin() const {
    return const_reverse_iterator(end());
  }
  const_reverse_iterator rend() const {
    return const_reverse_iterator(begin());
  }
  const_reverse_iterator crbegin() const { return rbegin(); }
  const_reverse_iterator crend() const { return rend(); }

  std::size_t size() const { return text_.size(); }
  std::size_t length() const { return text_.size(); }
  std::size_t max_size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  const char* data() const { return text_.data(); }

  // -1, 0 or 1, by the values of the bytes.
  int compare(string_ref other) const {
    const int order = text_.compare(other.text_);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  bool starts_with(string_ref other) const {
    return text_.substr(0, other.size()) == other.text_;
  }
  bool ends_with(string_ref other) const {
    return size() >= other.size() &&
           text_.substr(size() - other.size()) == other.text_;
  }
  std::size_t find(string_ref other) const { return text_.find(other.text_); }
  std::size_t find(char byte) const { return text_.find(byte); }

  // At most `size` bytes from `from` on; nothing if that is beyond the end.
  string_ref substr(std::size_t from, std::size_t size = npos) const {
    const absl::string_view part =
        text_.substr(from < text_.size() ? from : text_.size(), size);
    return string_ref(part.data(), part.size());
  }

 private:
  absl::string_view text_;
};

inline bool operator==(string_ref a, string_ref b) { return a.compare(b) == 0; }
inline bool operator!=(string_ref a, string_ref b) { return a.compare(b) != 0; }
inline bool operator<(string_ref a, string_ref b) { return a.compare(b) < 0; }
inline bool operator<=(string_ref a, string_ref b) { return a.compare(b) <= 0; }
inline bool operator>(string_ref a, string_ref b) { return a.compare(b) > 0; }
inline bool operator>=(string_ref a, string_ref b) { return a.compare(b) >= 0; }

inline std::ostream& operator<<(std::ostream& out, const string_ref& text) {
  return out << std::string(text.begin(), text.end());
}

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_STRING_REF_H_
