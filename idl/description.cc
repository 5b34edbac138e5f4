// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// From protoc's descriptors to the names of generated code.
#include "idl/description.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace lauberhorn::idl {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;
namespace cpp = google::protobuf::compiler::cpp;

// What a packet and a method table hold of a name.
constexpr std::size_t kLongestFullName = 255;

// Members of the generated classes, after which no method can be named, and
// classes inside that of a service, after which no service can be named.
const std::set<std::string>& ReservedNames() {
  static const auto& names = *new std::set<std::string>{
      "Service", "Stub", "StubInterface", "channel_"};
  return names;
}

// What a package and a message in it are called in C++: the namespaces, and
// last the class, which gets another name if it is a keyword. Asks Protocol
// Buffers, so that services are named as messages are and lie beside them.
std::vector<std::string> NamesInCpp(const std::string& package,
                                    const std::string& message) {
  google::protobuf::FileDescriptorProto file;
  file.set_name("asked.proto");
  file.set_package(package);
  file.add_message_type()->set_name(message);
  google::protobuf::DescriptorPool pool;
  return absl::StrSplit(
      cpp::QualifiedClassName(pool.BuildFile(file)->message_type(0)),
      "::", absl::SkipEmpty());
}

// What a service or a method is called in C++.
std::string NameInCpp(const std::string& name) {
  return NamesInCpp("", name).back();
}

std::vector<std::string> Lines(const std::string& comment) {
  std::vector<std::string> lines = absl::StrSplit(comment, '\n');
  for (std::string& line : lines) {
    // A backslash at the end would make the next line of code a comment.
    while (!line.empty() &&
           (line.back() == '\\' ||
            absl::ascii_isspace(static_cast<unsigned char>(line.back())))) {
      line.pop_back();
    }
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// The comment before a declaration and the one behind it.
template <typename Descriptor>
std::vector<std::string> CommentsOf(const Descriptor& descriptor) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return {};
  std::vector<std::string> lines = Lines(location.leading_comments);
  for (std::string& line : Lines(location.trailing_comments)) {
    lines.push_back(std::move(line));
  }
  return lines;
}

// The comments above `syntax`: usually the licence, which then is that of the
// generated code too.
std::vector<std::string> CommentsOfFile(const FileDescriptor& file) {
  SourceLocation location;
  const std::vector<int> path = {
      google::protobuf::FileDescriptorProto::kSyntaxFieldNumber};
  if (!file.GetSourceLocation(path, &location)) return {};
  std::vector<std::string> lines;
  location.leading_detached_comments.push_back(location.leading_comments);
  for (const std::string& comment : location.leading_detached_comments) {
    const std::vector<std::string> more = Lines(comment);
    if (!lines.empty() && !more.empty()) lines.emplace_back();
    lines.insert(lines.end(), more.begin(), more.end());
  }
  return lines;
}

absl::Status CheckName(const std::string& name, const std::string& what) {
  if (!ReservedNames().contains(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " cannot be generated: '", name,
                   "' is a name of the generated classes; rename it"));
}

absl::StatusOr<MethodDescription> DescribeMethod(
    const MethodDescriptor& method) {
  const std::string what = absl::StrCat("method ", method.full_name());
  MethodDescription description;
  description.name = NameInCpp(method.name());
  description.full_name =
      absl::StrCat("/", method.service()->full_name(), "/", method.name());
  description.id = MethodId(description.full_name);
  description.request = cpp::QualifiedClassName(method.input_type());
  description.reply = cpp::QualifiedClassName(method.output_type());
  description.comments = CommentsOf(method);
  if (const absl::Status named = CheckName(description.name, what);
      !named.ok()) {
    return named;
  }
  if (description.full_name.size() > kLongestFullName) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: the name '%s' has %d bytes; at most %d travel in "
                        "a packet, so shorten one of its parts",
                        what, description.full_name,
                        description.full_name.size(), kLongestFullName));
  }
  return description;
}

absl::StatusOr<ServiceDescription> DescribeService(
    const ServiceDescriptor& service, const Parameters& parameters) {
  ServiceDescription description;
  description.name = NameInCpp(service.name());
  description.full_name = service.full_name();
  description.comments = CommentsOf(service);
  if (const absl::Status named = CheckName(
          description.name, absl::StrCat("service ", service.full_name()));
      !named.ok()) {
    return named;
  }
  std::map<std::string, std::string> names;  // in C++ -> in the .proto
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (method.client_streaming() || method.server_streaming()) {
      if (!parameters.skip_streaming) {
        return absl::UnimplementedError(absl::StrCat(
            method.full_name(),
            " is a streaming method; protoc-gen-lauberhorn generates unary "
            "methods only (skip_streaming=true leaves the others out)"));
      }
      description.skipped.push_back(method.name());
      continue;
    }
    absl::StatusOr<MethodDescription> described = DescribeMethod(method);
    if (!described.ok()) return described.status();
    const auto [other, is_new] = names.emplace(described->name, method.name());
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat("methods ", other->second, " and ", method.name(),
                       " of service ", service.full_name(), " are both '",
                       described->name, "' in C++; rename one"));
    }
    description.methods.push_back(*std::move(described));
  }
  return description;
}

// The classes of a message and of those inside it.
void AddClassNames(const google::protobuf::Descriptor& message,
                   std::set<std::string>& names) {
  names.insert(cpp::ClassName(&message));
  for (int i = 0; i < message.nested_type_count(); ++i) {
    AddClassNames(*message.nested_type(i), names);
  }
}

// Services lie beside the messages of their file, unless they get a namespace.
absl::Status CheckClasses(const FileDescriptor& file,
                          const Parameters& parameters,
                          const FileDescription& description) {
  std::set<std::string> names;
  if (parameters.services_namespace.empty()) {
    for (int i = 0; i < file.message_type_count(); ++i) {
      AddClassNames(*file.message_type(i), names);
    }
  }
  for (const ServiceDescription& service : description.services) {
    if (names.insert(service.name).second) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "service ", service.full_name, ": there is another class '",
        service.name, "' in C++; rename one"));
  }
  return absl::OkStatus();
}

// Two methods of one id could not be told apart by who receives a packet.
absl::Status CheckIds(const FileDescription& file) {
  std::map<std::uint64_t, std::string> ids;
  for (const ServiceDescription& service : file.services) {
    for (const MethodDescription& method : service.methods) {
      const auto [other, is_new] = ids.emplace(method.id, method.full_name);
      if (is_new) continue;
      return absl::InvalidArgumentError(
          absl::StrFormat("methods %s and %s have the same id, %#x; rename one",
                          other->second, method.full_name, method.id));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::uint64_t MethodId(const std::string& full_name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : full_name) {
    hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3u;
  }
  return hash;
}

absl::StatusOr<FileDescription> Describe(const FileDescriptor& file,
                                         const Parameters& parameters) {
  FileDescription description;
  description.name = file.name();
  description.base = cpp::StripProto(file.name());
  description.comments = CommentsOfFile(file);
  description.namespaces = NamesInCpp(file.package(), "Asked");
  description.namespaces.pop_back();
  for (int i = 0; i < file.service_count(); ++i) {
    absl::StatusOr<ServiceDescription> service =
        DescribeService(*file.service(i), parameters);
    if (!service.ok()) return service.status();
    description.services.push_back(*std::move(service));
  }
  if (const absl::Status distinct = CheckClasses(file, parameters, description);
      !distinct.ok()) {
    return distinct;
  }
  if (const absl::Status distinct = CheckIds(description); !distinct.ok()) {
    return distinct;
  }
  return description;
}

}  // namespace lauberhorn::idl
