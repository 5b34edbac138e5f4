// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The generator's output against golden files, and what it refuses. That the
// output compiles is a part of the build (testdata/ in CMakeLists.txt); that it
// works is tested where the library is.
#include "idl/generator.h"

#include <gmock/gmock.h>
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace lauberhorn::idl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Proto files in memory.
class Sources : public google::protobuf::compiler::SourceTree {
 public:
  void Add(const std::string& name, const std::string& text) {
    files_[name] = text;
  }
  google::protobuf::io::ZeroCopyInputStream* Open(
      const std::string& name) override {
    const auto file = files_.find(name);
    if (file == files_.end()) return nullptr;
    return new google::protobuf::io::ArrayInputStream(
        file->second.data(), static_cast<int>(file->second.size()));
  }

 private:
  std::map<std::string, std::string> files_;
};

class Errors : public google::protobuf::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int /*column*/,
                const std::string& message) override {
    ADD_FAILURE() << file << ":" << line + 1 << ": " << message;
  }
};

// Generated files in memory.
class Outputs : public google::protobuf::compiler::GeneratorContext {
 public:
  google::protobuf::io::ZeroCopyOutputStream* Open(
      const std::string& name) override {
    return new google::protobuf::io::StringOutputStream(&files_[name]);
  }
  const std::map<std::string, std::string>& files() const { return files_; }

 private:
  std::map<std::string, std::string> files_;
};

struct Generated {
  bool ok;
  std::string error;
  std::map<std::string, std::string> files;
};

Generated GenerateFrom(Sources& sources, const std::string& name,
                       const std::string& parameter) {
  Errors errors;
  google::protobuf::compiler::Importer importer(&sources, &errors);
  const google::protobuf::FileDescriptor* file = importer.Import(name);
  if (file == nullptr) return {false, "not imported", {}};
  Outputs outputs;
  Generated generated;
  generated.ok =
      Generator().Generate(file, parameter, &outputs, &generated.error);
  generated.files = outputs.files();
  return generated;
}

// What the generator makes of a file "test.proto" in package test.
Generated Generate(const std::string& text, const std::string& parameter = "") {
  Sources sources;
  sources.Add(
      "test.proto",
      absl::StrCat("syntax = 'proto3'; package test; message M {} ", text));
  return GenerateFrom(sources, "test.proto", parameter);
}

std::string ReadFile(const std::string& path) {
  const std::ifstream file(path);
  EXPECT_TRUE(file.good()) << "cannot read " << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Golden {
  const char* proto;
  const char* parameter;
};

class GoldenTest : public ::testing::TestWithParam<Golden> {};

// After an intended change: LAUBERHORN_UPDATE_GOLDEN=1 generator_test
TEST_P(GoldenTest, OutputIsAsExpected) {
  Sources sources;
  for (const char* name :
       {"hello.proto", "names.proto", "mixed.proto", "folder/imported.proto"}) {
    sources.Add(name, ReadFile(absl::StrCat(TESTDATA, "/", name)));
  }
  const Generated generated =
      GenerateFrom(sources, GetParam().proto, GetParam().parameter);
  ASSERT_TRUE(generated.ok) << generated.error;
  EXPECT_EQ(generated.files.size(), 2u);
  for (const auto& [name, text] : generated.files) {
    const std::string path = absl::StrCat(TESTDATA, "/", name, ".golden");
    if (std::getenv("LAUBERHORN_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path) << text;
    }
    EXPECT_EQ(text, ReadFile(path)) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, GoldenTest,
    ::testing::Values(Golden{"hello.proto", ""}, Golden{"names.proto", ""},
                      Golden{"folder/imported.proto", ""},
                      Golden{
                          "mixed.proto",
                          "skip_streaming=true,services_namespace=rpc::v1"}));

TEST(GeneratorTest, RefusesStreamingMethods) {
  for (const char* method :
       {"rpc Flow(stream M) returns (M);", "rpc Flow(M) returns (stream M);",
        "rpc Flow(stream M) returns (stream M);"}) {
    const Generated generated =
        Generate(absl::StrCat("service S { ", method, " }"));
    EXPECT_FALSE(generated.ok);
    EXPECT_THAT(
        generated.error,
        HasSubstr("test.S.Flow is a streaming method; "
                  "protoc-gen-lauberhorn generates unary methods only"));
    EXPECT_TRUE(generated.files.empty());
  }
}

TEST(GeneratorTest, SkipsStreamingMethodsOnlyIfTold) {
  const std::string text =
      "service S { rpc Flow(stream M) returns (M); rpc Get(M) returns (M); }";
  EXPECT_FALSE(Generate(text, "skip_streaming=false").ok);
  const Generated generated = Generate(text, "skip_streaming=true");
  ASSERT_TRUE(generated.ok) << generated.error;
  EXPECT_THAT(generated.files.at("test.grpc.pb.h"),
              AllOf(HasSubstr("// Flow is left out"), HasSubstr(" Get("),
                    Not(HasSubstr(" Flow("))));
}

// Two names of the same id, found by searching.
TEST(GeneratorTest, RefusesMethodsOfTheSameId) {
  Sources sources;
  sources.Add("collision.proto", R"(syntax = 'proto3';
      package collision;
      message M {}
      service Colliding {
        rpc Mejjbfcbbhiaodnda(M) returns (M);
        rpc Mknpkikeeokpplkgh(M) returns (M);
      })");
  const Generated generated = GenerateFrom(sources, "collision.proto", "");
  EXPECT_FALSE(generated.ok);
  EXPECT_EQ(generated.error,
            "methods /collision.Colliding/Mejjbfcbbhiaodnda and "
            "/collision.Colliding/Mknpkikeeokpplkgh have the same id, "
            "0x40f7ec7e8650c5b3; rename one");
}

TEST(GeneratorTest, RefusesNamesThatItNeedsItself) {
  EXPECT_THAT(Generate("service S { rpc Stub(M) returns (M); }").error,
              HasSubstr("method test.S.Stub cannot be generated: 'Stub' is a "
                        "name of the generated classes"));
  EXPECT_THAT(Generate("service Service {}").error,
              HasSubstr("service test.Service cannot be generated"));
}

TEST(GeneratorTest, RefusesNamesThatAreTheSameInCpp) {
  EXPECT_THAT(Generate("service S { rpc new(M) returns (M); "
                       "rpc new_(M) returns (M); }")
                  .error,
              HasSubstr("methods new and new_ of service test.S are both "
                        "'new_' in C++"));
  const std::string nested =
      "message A { message B {} } service A_B { rpc Get(M) returns (M); }";
  EXPECT_THAT(Generate(nested).error,
              HasSubstr("service test.A_B: there is another class 'A_B'"));
  EXPECT_TRUE(Generate(nested, "services_namespace=rpc").ok);
}

TEST(GeneratorTest, RefusesNamesThatDoNotFitIntoPackets) {
  // "/test.S/" and the name.
  const std::string fits(255 - 8, 'n');
  EXPECT_TRUE(
      Generate(absl::StrCat("service S { rpc ", fits, "(M) returns (M); }"))
          .ok);
  EXPECT_THAT(
      Generate(absl::StrCat("service S { rpc ", fits, "n(M) returns (M); }"))
          .error,
      HasSubstr("has 256 bytes; at most 255 travel in a packet"));
}

TEST(GeneratorTest, CommentsCannotSwallowCode) {
  const Generated generated = Generate(
      "service S {\n// ends in a backslash \\ \nrpc Get(M) returns (M);\n}");
  ASSERT_TRUE(generated.ok) << generated.error;
  EXPECT_THAT(
      generated.files.at("test.grpc.pb.h"),
      AllOf(HasSubstr("// ends in a backslash\n"), Not(HasSubstr("\\"))));
}

TEST(GeneratorTest, HonoursNamesOfHeaders) {
  const Generated generated = Generate(
      "service S {}",
      "message_header_extension=.proto.h,additional_header_includes=a.h:b.h");
  ASSERT_TRUE(generated.ok) << generated.error;
  EXPECT_THAT(generated.files.at("test.grpc.pb.h"),
              AllOf(HasSubstr("#include \"test.proto.h\"\n"
                              "#include \"a.h\"\n#include \"b.h\"\n"),
                    Not(HasSubstr("test.pb.h"))));
}

TEST(GeneratorTest, RefusesParametersThatItDoesNotKnow) {
  EXPECT_EQ(Generate("service S {}", "generate_mock_code=true").error,
            "unknown parameter 'generate_mock_code'; there are: "
            "services_namespace, message_header_extension, "
            "additional_header_includes, skip_streaming");
  EXPECT_THAT(Generate("service S {}", "skip_streaming=maybe").error,
              HasSubstr("skip_streaming is 'maybe'; it must be 'true' or"));
  EXPECT_THAT(Generate("service S {}", "message_header_extension=").error,
              HasSubstr("message_header_extension is ''"));
  for (const char* bad : {"", "a::", "1a", "a-b", "a b", "a:b"}) {
    EXPECT_THAT(
        Generate("service S {}", absl::StrCat("services_namespace=", bad))
            .error,
        HasSubstr(absl::StrCat("services_namespace is '", bad, "'")));
  }
}

struct Ran {
  int status;
  std::string output;
};

Ran RunShell(const std::string& command) {
  FILE* pipe = popen(absl::StrCat(command, " 2>&1").c_str(), "r");
  std::string output;
  for (int letter; (letter = std::fgetc(pipe)) != EOF;) {
    output += static_cast<char>(letter);
  }
  return {WEXITSTATUS(pclose(pipe)), output};
}

TEST(ProgramTest, ExplainsItselfByHand) {
  const Ran help = RunShell(absl::StrCat(PLUGIN, " --help"));
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.output, AllOf(HasSubstr("protoc --cpp_out"),
                                 HasSubstr("skip_streaming=true|false")));
  const Ran version = RunShell(absl::StrCat(PLUGIN, " --version"));
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.output, HasSubstr("protoc-gen-lauberhorn "));
  const Ran mistake = RunShell(absl::StrCat(PLUGIN, " --hepl"));
  EXPECT_EQ(mistake.status, 2);
  EXPECT_THAT(mistake.output, HasSubstr("no option '--hepl'"));
}

TEST(ProgramTest, ProtocShowsFileServiceAndMethodOfAnError) {
  const std::string out = ::testing::TempDir();
  const Ran ran =
      RunShell(absl::StrCat(PROTOC, " --proto_path=", TESTDATA,
                            " --plugin=protoc-gen-lauberhorn=", PLUGIN,
                            " --lauberhorn_out=", out, " mixed.proto"));
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.output,
              HasSubstr("mixed.proto: mixed.Mixed.Down is a streaming method"));
}

}  // namespace
}  // namespace lauberhorn::idl
