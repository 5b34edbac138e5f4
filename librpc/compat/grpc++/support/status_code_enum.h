// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/support/status_code_enum.h
//
// The old name of grpcpp/support/status_code_enum.h.
#ifndef GRPCXX_SUPPORT_STATUS_CODE_ENUM_H_
#define GRPCXX_SUPPORT_STATUS_CODE_ENUM_H_

#include "grpcpp/support/status_code_enum.h"

#endif  // GRPCXX_SUPPORT_STATUS_CODE_ENUM_H_
