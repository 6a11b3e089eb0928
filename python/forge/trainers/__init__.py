"""Trainers that turn pairs into an adapter: one file each, named here."""

TRAINERS = {"lora": "forge.trainers.lora:LoraTrainer"}
