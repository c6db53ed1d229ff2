"""What people look at: who shares what and what spoils it, sizes, random addresses, a library alone, gdb."""
