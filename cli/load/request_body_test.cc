// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// Requests from digits, files and text.

#include "cli/load/request_body.h"

#include <gmock/gmock.h>
#include <google/protobuf/timestamp.pb.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"

namespace lauberhorn::cli {
namespace {

using ::testing::HasSubstr;

TEST(BodyFromHexTest, TwoDigitsAreAByte) {
  EXPECT_EQ(*BodyFromHex(""), "");
  EXPECT_EQ(*BodyFromHex("0a 03\n6A6b6C"), "\n\003jkl");
  EXPECT_EQ(*BodyFromHex("00"), std::string(1, '\0'));
  EXPECT_THAT(BodyFromHex("0g").status().message(), HasSubstr("'g'"));
  EXPECT_THAT(BodyFromHex("0x0a").status().message(), HasSubstr("'x'"));
  EXPECT_THAT(BodyFromHex("0a0").status().message(), HasSubstr("odd"));
}

class RequestFileTest : public ::testing::Test {
 protected:
  RequestFileTest() {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_ / "base");
  }
  ~RequestFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string WriteService() {
    Write("base/name.proto",
          "syntax = 'proto3'; package base; message Name { string text = 1; }");
    return Write("service.proto",
                 "syntax = 'proto3'; package a.b;\n"
                 "import 'base/name.proto';\n"
                 "import 'google/protobuf/timestamp.proto';\n"
                 "message Ask { base.Name name = 1; repeated int32 n = 2;\n"
                 "  google.protobuf.Timestamp when = 3; }\n"
                 "service Svc { rpc One(Ask) returns (Ask);\n"
                 "  rpc Two(google.protobuf.Timestamp) returns (Ask); }\n");
  }

  std::filesystem::path folder_;
};

TEST_F(RequestFileTest, AFileIsTakenAsItIs) {
  const std::string bytes("\0\n\xff\r\n", 5);
  EXPECT_EQ(*BodyFromFile(Write("body", bytes)), bytes);
  EXPECT_THAT(BodyFromFile(folder_ / "none").status().message(),
              HasSubstr("No such file"));
}

TEST_F(RequestFileTest, TextBecomesTheMethodsRequest) {
  const std::string proto = WriteService();
  EXPECT_EQ(*BodyFromText(
                {proto, {}, "/a.b.Svc/One", "name { text: 'hi' } n: [1, 300]"}),
            "\n\004\n\002hi\022\003\001\254\002");
  google::protobuf::Timestamp when;
  when.set_seconds(12345);
  EXPECT_EQ(*BodyFromText({proto, {}, "/a.b.Svc/Two", "seconds: 12345"}),
            when.SerializeAsString());
  EXPECT_EQ(*BodyFromText({proto, {folder_}, "/a.b.Svc/One", ""}), "");
}

TEST_F(RequestFileTest, MistakesSayWhereTheyAre) {
  const std::string proto = WriteService();
  const auto mistake = [](const TextRequest& request) {
    return std::string(BodyFromText(request).status().message());
  };
  EXPECT_THAT(mistake({proto, {}, "/a.b.Svc/Three", ""}),
              HasSubstr("it has /a.b.Svc/One, /a.b.Svc/Two"));
  EXPECT_THAT(mistake({proto, {}, "/a.b.Svc/One", "name {\n nothing: 1 }"}),
              HasSubstr("--message:2:9: "));
  EXPECT_THAT(mistake({folder_ / "no.proto", {}, "/a.b.Svc/One", ""}),
              HasSubstr("No such file"));
  EXPECT_THAT(mistake({proto, {folder_ / "base"}, "/a.b.Svc/One", ""}),
              HasSubstr("--import-path"));
  EXPECT_THAT(mistake({Write("bad.proto", "syntax = 'proto3';\nmessage {}"),
                       {},
                       "/a.b.Svc/One",
                       ""}),
              HasSubstr("bad.proto:2:9: "));
  EXPECT_THAT(
      mistake({Write("lost.proto", "syntax = 'proto3'; import 'gone.proto';"),
               {},
               "/a.b.Svc/One",
               ""}),
      HasSubstr("gone.proto"));
}

}  // namespace
}  // namespace lauberhorn::cli
