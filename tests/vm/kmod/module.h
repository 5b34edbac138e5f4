// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/vm/kmod/module.h
//
// The module as a whole: what sysfs shows, loading and unloading.
#ifndef LAUBERHORN_TESTS_VM_KMOD_MODULE_H_
#define LAUBERHORN_TESTS_VM_KMOD_MODULE_H_

#include <string>

namespace lauberhorn::kmod {

// What an attribute of the first device says.
std::string Shown(const std::string& attribute);

// Unbinds the first device from its driver, or binds it; whether that worked.
bool Unbind();
bool Bind();

// Unloads the module, and loads it as tests/vm/kmod_test did: 0 or the errno.
int Unload();
int Load();

}  // namespace lauberhorn::kmod

#endif  // LAUBERHORN_TESTS_VM_KMOD_MODULE_H_
