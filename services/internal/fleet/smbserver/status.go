package smbserver

import (
	"errors"
	"fmt"
)

// Status is an NTSTATUS value, [MS-ERREF] 2.3.1. As an error it says how a request is to be answered.
type Status uint32

// The statuses a host may answer with; see [MS-ERREF] 2.3.1 for each meaning.
const (
	StatusOK                     Status = 0
	StatusBufferOverflow         Status = 0x80000005
	StatusNoMoreFiles            Status = 0x80000006
	StatusInvalidInfoClass       Status = 0xC0000003
	StatusInfoLengthMismatch     Status = 0xC0000004
	StatusInvalidParameter       Status = 0xC000000D
	StatusNoSuchFile             Status = 0xC000000F
	StatusInvalidDeviceRequest   Status = 0xC0000010
	StatusEndOfFile              Status = 0xC0000011
	StatusNoMediaInDevice        Status = 0xC0000013
	StatusMoreProcessingRequired Status = 0xC0000016
	StatusAccessDenied           Status = 0xC0000022
	StatusObjectNameInvalid      Status = 0xC0000033
	StatusObjectNameNotFound     Status = 0xC0000034
	StatusObjectPathNotFound     Status = 0xC000003A
	StatusObjectPathSyntaxBad    Status = 0xC000003B
	StatusSharingViolation       Status = 0xC0000043
	StatusLogonFailure           Status = 0xC000006D
	StatusPasswordExpired        Status = 0xC0000071
	StatusInsufficientResources  Status = 0xC000009A
	StatusFileIsADirectory       Status = 0xC00000BA
	StatusNotSupported           Status = 0xC00000BB
	StatusNetworkNameDeleted     Status = 0xC00000C9
	StatusBadNetworkName         Status = 0xC00000CC
	StatusRequestNotAccepted     Status = 0xC00000D0
	StatusInternalError          Status = 0xC00000E5
	StatusNotADirectory          Status = 0xC0000103
	StatusFileClosed             Status = 0xC0000128
	StatusFSDriverRequired       Status = 0xC000019C
	StatusUserSessionDeleted     Status = 0xC0000203
	StatusAccountLockedOut       Status = 0xC0000234
)

// Error gives the value as it is usually written, 0xC0000022.
func (s Status) Error() string { return fmt.Sprintf("NTSTATUS 0x%08X", uint32(s)) }

// failed reports whether the answer carries an error body instead of the command's own: severity error, or one of the
// warnings that come without data.
func (s Status) failed() bool {
	return s>>30 == 3 && s != StatusMoreProcessingRequired || s == StatusNoMoreFiles
}

// statusOf gives the status that err stands for; an error of any other kind is an internal one.
func statusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	if status, ok := errors.AsType[Status](err); ok {
		return status
	}
	return StatusInternalError
}
