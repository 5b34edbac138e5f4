// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "cli/load/request_body.h"

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace lauberhorn::cli {
namespace {

namespace pb = ::google::protobuf;

// Of a .proto file and what it imports, and of a text: "file:line:column: why".
class Mistakes final : public pb::compiler::MultiFileErrorCollector,
                       public pb::io::ErrorCollector {
 public:
  void AddError(const std::string& file, int line, int column,
                const std::string& what) override {
    if (line < 0) {
      found_.push_back(absl::StrCat(file, ": ", what));
    } else {
      found_.push_back(
          absl::StrCat(file, ":", line + 1, ":", column + 1, ": ", what));
    }
  }
  void AddError(int line, int column, const std::string& what) override {
    AddError("--message", line, column, what);
  }

  std::string text() const { return absl::StrJoin(found_, "\n"); }

 private:
  std::vector<std::string> found_;
};

// A .proto file with its imports. Those of Protocol Buffers themselves
// (google/protobuf/timestamp.proto) are there without a file.
class ProtoFile {
 public:
  absl::Status Load(const std::string& path,
                    const std::vector<std::string>& import_paths) {
    for (const std::string& folder : import_paths) tree_.MapPath("", folder);
    if (import_paths.empty()) {
      const auto folder = std::filesystem::path(path).parent_path();
      tree_.MapPath("", folder.empty() ? "." : folder.string());
    }
    std::string name;
    std::string hidden_by;
    switch (tree_.DiskFileToVirtualFile(path, &name, &hidden_by)) {
      case pb::compiler::DiskSourceTree::SUCCESS:
        break;
      case pb::compiler::DiskSourceTree::SHADOWED:
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": hidden by ", hidden_by,
                         "; give another order of --import-path"));
      case pb::compiler::DiskSourceTree::CANNOT_OPEN:
        return absl::NotFoundError(
            absl::StrCat(path, ": ", std::strerror(errno)));
      case pb::compiler::DiskSourceTree::NO_MAPPING:
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": in none of the folders of --import-path"));
    }
    file_ = pool_.FindFileByName(name);
    if (file_ != nullptr) return absl::OkStatus();
    return absl::InvalidArgumentError(mistakes_.text());
  }

  // The method of this name, "/package.Service/Method".
  absl::StatusOr<const pb::MethodDescriptor*> Find(
      absl::string_view method) const {
    std::vector<std::string> names;
    for (int i = 0; i < file_->service_count(); ++i) {
      const pb::ServiceDescriptor& service = *file_->service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        names.push_back(absl::StrCat("/", service.full_name(), "/",
                                     service.method(j)->name()));
        if (names.back() == method) return service.method(j);
      }
    }
    return absl::NotFoundError(
        absl::StrCat(file_->name(), " has no method ", method, "; it has ",
                     names.empty() ? "none" : absl::StrJoin(names, ", ")));
  }

 private:
  Mistakes mistakes_;
  pb::compiler::DiskSourceTree tree_;
  pb::DescriptorPoolDatabase built_in_{*pb::DescriptorPool::generated_pool()};
  pb::compiler::SourceTreeDescriptorDatabase files_{&tree_, &built_in_};
  pb::DescriptorPool pool_{Reporting(files_, mistakes_),
                           files_.GetValidationErrorCollector()};
  const pb::FileDescriptor* file_ = nullptr;

  static pb::compiler::SourceTreeDescriptorDatabase* Reporting(
      pb::compiler::SourceTreeDescriptorDatabase& files, Mistakes& mistakes) {
    files.RecordErrorsTo(&mistakes);
    return &files;
  }
};

}  // namespace

absl::StatusOr<std::string> BodyFromHex(absl::string_view hex) {
  std::string digits;
  for (const char character : hex) {
    if (absl::ascii_isspace(static_cast<unsigned char>(character))) continue;
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(character))) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--hex: '", std::string(1, character), "' is no hexadecimal digit"));
    }
    digits.push_back(character);
  }
  if (digits.size() % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--hex: ", digits.size(), " digits, an odd number; a byte is two"));
  }
  return absl::HexStringToBytes(digits);
}

absl::StatusOr<std::string> BodyFromFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string body{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(
        absl::StrCat("--body-file: ", path, ": ", std::strerror(errno)));
  }
  return body;
}

absl::StatusOr<std::string> BodyFromText(const TextRequest& request) {
  ProtoFile proto;
  absl::Status loaded = proto.Load(request.proto, request.import_paths);
  if (!loaded.ok()) return loaded;
  const auto method = proto.Find(request.method);
  if (!method.ok()) return method.status();
  pb::DynamicMessageFactory messages;
  const std::unique_ptr<pb::Message> message(
      messages.GetPrototype((*method)->input_type())->New());
  Mistakes mistakes;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&mistakes);
  if (!parser.ParseFromString(request.text, message.get())) {
    return absl::InvalidArgumentError(mistakes.text());
  }
  return message->SerializeAsString();
}

}  // namespace lauberhorn::cli
