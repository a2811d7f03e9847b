//! `rookeryd admin`: the admins, managed where the data folder can be read and written.
