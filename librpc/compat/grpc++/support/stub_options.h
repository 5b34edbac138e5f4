// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/stub_options.h
//
// The old name of grpcpp/support/stub_options.h.
#ifndef GRPCXX_SUPPORT_STUB_OPTIONS_H_
#define GRPCXX_SUPPORT_STUB_OPTIONS_H_

#include "grpcpp/support/stub_options.h"

#endif  // GRPCXX_SUPPORT_STUB_OPTIONS_H_
