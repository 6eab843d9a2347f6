"""FreeSWITCH over its outbound event socket: Class 5 calls driven, Class 4 calls decided."""
