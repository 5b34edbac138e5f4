// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/temporary_folder.h
//
// A folder for the files of one test, which any user may write to.
#ifndef LAUBERHORN_NIC_TESTING_TEMPORARY_FOLDER_H_
#define LAUBERHORN_NIC_TESTING_TEMPORARY_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace lauberhorn::nic::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    EXPECT_NE(mkdtemp(&path_[0]), nullptr);
    EXPECT_EQ(chmod(path_.c_str(), 01777), 0);  // as /tmp is
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = ::testing::TempDir() + "lauberhorn_test_XXXXXX";
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_TEMPORARY_FOLDER_H_
