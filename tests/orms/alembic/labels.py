

class Label(Protected, Base):
    __tablename__ = "labels"
    __table_args__ = (UniqueConstraint("org_id", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    name: Mapped[str]


class TaskLabel(Protected, Base):
    __tablename__ = "task_labels"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "task_id"], ["tasks.org_id", "tasks.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "label_id"], ["labels.org_id", "labels.id"]),
    )

    task_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
