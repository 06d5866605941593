package smbserver

import "strconv"

// Command is the kind of a request, [MS-SMB2] 2.2.1.2.
type Command uint16

// The commands of SMB 2 and 3.
const (
	Negotiate Command = iota
	SessionSetup
	Logoff
	TreeConnect
	TreeDisconnect
	Create
	Close
	Flush
	Read
	Write
	Lock
	Ioctl
	Cancel
	Echo
	QueryDirectory
	ChangeNotify
	QueryInfo
	SetInfo
	OplockBreak

	commandCount = int(OplockBreak) + 1
)

// String gives the command's name in [MS-SMB2], without its SMB2_ prefix.
func (c Command) String() string {
	names := [commandCount]string{
		"NEGOTIATE", "SESSION_SETUP", "LOGOFF", "TREE_CONNECT", "TREE_DISCONNECT", "CREATE", "CLOSE", "FLUSH", "READ",
		"WRITE", "LOCK", "IOCTL", "CANCEL", "ECHO", "QUERY_DIRECTORY", "CHANGE_NOTIFY", "QUERY_INFO", "SET_INFO", "OPLOCK_BREAK",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return "COMMAND_" + strconv.Itoa(int(c))
}
