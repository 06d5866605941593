package smb

import (
	"errors"
	"fmt"
	"os"

	"github.com/cloudsoda/go-smb2"
)

// ntStatus is a status of the server's. Source of names and numbers:
// [MS-ERREF] 2.3.1.
type ntStatus uint32

const (
	statusNoSuchDevice        ntStatus = 0xC000000E
	statusInvalidParameter    ntStatus = 0xC000000D
	statusNoSuchFile          ntStatus = 0xC000000F
	statusNoMediaInDevice     ntStatus = 0xC0000013
	statusMoreProcessing      ntStatus = 0xC0000016
	statusAccessDenied        ntStatus = 0xC0000022
	statusDeviceNotConnected  ntStatus = 0xC000009D
	statusDeviceNotReady      ntStatus = 0xC00000A3
	statusIOTimeout           ntStatus = 0xC00000B5
	statusDeviceDoesNotExist  ntStatus = 0xC00000C0
	statusNetworkAccessDenied ntStatus = 0xC00000CA
	statusNotSupported        ntStatus = 0xC00000BB
	statusBadNetworkName      ntStatus = 0xC00000CC
	statusRequestNotAccepted  ntStatus = 0xC00000D0
	statusNotADirectory       ntStatus = 0xC0000103
	statusNoMedia             ntStatus = 0xC0000178
	statusLockedOut           ntStatus = 0xC0000234
	statusLockedVolume        ntStatus = 0xC0210000 // STATUS_FVE_LOCKED_VOLUME: BitLocker

	// statusNotFound is what remains of OBJECT_NAME_NOT_FOUND and
	// OBJECT_PATH_NOT_FOUND when the library has made one error of them. No
	// server sends it.
	statusNotFound ntStatus = 0xFFFFFFFF
)

// String is the number, as 0xC000006D; "" where it is not known.
func (s ntStatus) String() string {
	if s == statusNotFound {
		return ""
	}
	return fmt.Sprintf("0x%08X", uint32(s))
}

// isError tells a refusal from success and from the request to go on.
func (s ntStatus) isError() bool { return s != 0 && s != statusMoreProcessing }

// statusOf is the status that the library made err of.
func statusOf(err error) (ntStatus, bool) {
	var (
		response  *smb2.ResponseError
		transport *smb2.TransportError
	)
	switch {
	case err == nil, errors.As(err, &transport):
		return 0, false
	case errors.As(err, &response):
		return ntStatus(response.Code), true
	case errors.Is(err, smb2.ErrRequestNotAccepted):
		return statusRequestNotAccepted, true
	case errors.Is(err, os.ErrPermission):
		return statusAccessDenied, true
	case errors.Is(err, os.ErrNotExist):
		return statusNotFound, true
	}
	return 0, false
}

func isStatus(err error, s ntStatus) bool {
	got, ok := statusOf(err)
	return ok && got == s
}

// refusals are the answers to a sign-in that speak of the account.
func refusals(s ntStatus) (why string, ok bool) {
	switch s {
	case 0xC000006D, 0xC000006A, 0xC0000064: // LOGON_FAILURE, WRONG_PASSWORD, NO_SUCH_USER
		return "wrong user name or password", true
	case statusLockedOut:
		return "the account is locked out", true
	case 0xC0000071: // PASSWORD_EXPIRED
		return "the password has expired", true
	case 0xC0000224: // PASSWORD_MUST_CHANGE
		return "the password must be changed first", true
	case 0xC0000072: // ACCOUNT_DISABLED
		return "the account is disabled", true
	case 0xC0000193: // ACCOUNT_EXPIRED
		return "the account has expired", true
	case 0xC000006E: // ACCOUNT_RESTRICTION
		return "a restriction on the account forbids it", true
	case 0xC000006F: // INVALID_LOGON_HOURS
		return "the account may not sign in at this hour", true
	case 0xC0000070: // INVALID_WORKSTATION
		return "the account may not sign in from this machine", true
	case 0xC000015B: // LOGON_TYPE_NOT_GRANTED
		return "the account may not sign in over the network", true
	case 0xC000005E: // NO_LOGON_SERVERS
		return "the server reaches no domain controller", true
	case 0xC000018A, 0xC000018B, 0xC000018C, 0xC000018D: // the TRUST failures
		return "the server's trust in the domain is broken", true
	}
	return "", false
}

// ofAccount tells the refusals that every server of the domain would repeat,
// from those that speak of the server that was asked.
func (s ntStatus) ofAccount() bool {
	switch s {
	case 0xC000006D, 0xC000006A, 0xC0000064, // LOGON_FAILURE, WRONG_PASSWORD, NO_SUCH_USER
		statusLockedOut, 0xC0000071, 0xC0000224, // PASSWORD_EXPIRED, PASSWORD_MUST_CHANGE
		0xC0000072, 0xC0000193, 0xC000006E, 0xC000006F: // DISABLED, EXPIRED, RESTRICTION, INVALID_LOGON_HOURS
		return true
	}
	return false
}

// meaning is what a status says, as the beginning of a sentence.
func meaning(s ntStatus) string {
	switch s {
	case statusRequestNotAccepted:
		return "the server takes no more connections"
	case 0xC000009A, 0xC0000205: // INSUFFICIENT_RESOURCES, INSUFF_SERVER_RESOURCES
		return "the server is out of resources"
	case 0xC0000043, 0xC0000054: // SHARING_VIOLATION, FILE_LOCK_CONFLICT
		return "another program keeps it to itself"
	case 0xC0000056: // DELETE_PENDING
		return "it is being deleted"
	case 0xC0000203, 0xC000035C: // USER_SESSION_DELETED, NETWORK_SESSION_EXPIRED
		return "the server ended the session"
	case 0xC00000C9: // NETWORK_NAME_DELETED
		return "the server withdrew the share"
	case 0xC0000128: // FILE_CLOSED
		return "the server closed the folder"
	case 0xC0000257, 0xC000019C: // PATH_NOT_COVERED, FS_DRIVER_REQUIRED
		return "it lies elsewhere in a distributed file system, which is not followed"
	case 0x8000002D: // STOPPED_ON_SYMLINK
		return "it is a link to elsewhere"
	case 0xC0000033, 0xC0000039, 0xC000003B: // OBJECT_NAME_INVALID, OBJECT_PATH_INVALID, OBJECT_PATH_SYNTAX_BAD
		return "the server does not accept the name"
	case 0xC00000E5: // INTERNAL_ERROR
		return "the server has an internal error"
	case statusLockedVolume:
		return "the drive is locked by BitLocker"
	case statusNoMediaInDevice, statusNoMedia:
		return "there is no medium in the drive"
	case statusNoSuchDevice, statusDeviceDoesNotExist:
		return "there is no such drive"
	case statusDeviceNotReady, statusDeviceNotConnected:
		return "the drive is not ready"
	case statusIOTimeout:
		return "the drive did not answer in time"
	case 0xC0000032, 0xC0000102, 0xC000014F: // DISK_CORRUPT_ERROR, FILE_CORRUPT_ERROR, UNRECOGNIZED_VOLUME
		return "the file system of the drive cannot be read"
	case 0xC000003F, 0xC0000185: // CRC_ERROR, IO_DEVICE_ERROR
		return "the drive reports a read error"
	}
	return "the server answered " + s.String()
}
